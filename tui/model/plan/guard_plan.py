"""The fields of the form of a sniper: what it buys, and the guards that a pool has to pass."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tui.model.conditions import SNIPER
from tui.model.plan.form_reader import NEEDED, FormReader
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm

AUTHORITIES: Final = {"": "any", "mint": "no minting", "freeze": "no freezing", "both": "neither"}
DEXES: Final = {"": "any", "raydium": "raydium", "meteora": "meteora"}
GUARD_DEFAULTS: Final[BatchForm] = {
    **dict.fromkeys(("mint", "liquidity", "age", "fee", "transfer_fee", "locked", "looks"), ""),
    "with": "USDC",
    "authorities": "both",
    "dexes": "",
}
_AGE_MAX_S: Final = 365 * 86_400
_LOOKS_MAX: Final = 10
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class GuardPlan:
    """What a sniper buys and with what; ``guards`` are fields of the wire."""

    mint: str
    token_in: str
    guards: dict[str, Any]

    @property
    def pair(self) -> str:
        """The pair that it waits for."""
        return f"{self.mint}/{self.token_in}"

    def add_to(self, terms: WireOrderTerms, _side: str) -> None:
        """Add the guards to the terms of an order."""
        terms.update(self.guards)  # type: ignore[typeddict-item]


def read_guards(reader: FormReader, order_type: str) -> GuardPlan | None:
    """Read what a sniper buys, and its guards; ``None`` for other types."""
    if order_type != SNIPER:
        return None
    mint, token_in = (_read_token(reader, name) for name in ("mint", "with"))
    if mint and mint == token_in:
        reader.errors["mint"] = "must be another token"
    authorities = reader.read_choice("authorities", tuple(AUTHORITIES))
    liquidity = reader.read_decimal("liquidity", is_optional=True)
    dex = reader.read_choice("dexes", tuple(DEXES))
    guards = {
        "minLiquidity": None if liquidity is None else f"{liquidity:f}",
        "mintAuthorityRevoked": authorities in {"mint", "both"} or None,
        "freezeAuthorityNone": authorities in {"freeze", "both"} or None,
        "maxTransferFeeBps": _read_percent(reader, "transfer_fee"),
        "maxFeeBps": _read_percent(reader, "fee"),
        "lpLockedMinBps": _read_percent(reader, "locked"),
        "maxPoolAgeS": reader.read_seconds("age", 1, _AGE_MAX_S, is_optional=True),
        "dexes": [dex] if dex else None,
        "looks": reader.read_optional_integer("looks", 1, _LOOKS_MAX),
    }
    known = {name: value for name, value in guards.items() if value is not None}
    return GuardPlan(mint, token_in, known)


def _read_token(reader: FormReader, field: str) -> str:
    text = reader.read_text(field)
    if not text:
        return reader.reject(field, NEEDED, "")
    return text if text.isalnum() else reader.reject(field, "is no token", "")


def _read_percent(reader: FormReader, field: str) -> int | None:
    return reader.read_bps(field, Decimal(0), _HUNDRED, is_optional=True)
