"""The fields of the form that say when to sell again: at a profit, and at a loss.

Both prices of one position are either the children of its entry (a bracket) or two orders of which
at most one is executed (OCO).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tui.model.conditions import OCO
from tui.model.plan.condition_plan import (
    THEN,
    TRAIL_MAX,
    TRAIL_MIN,
    name_priced_token,
    read_confirmations,
    read_is_of_base,
)
from tui.model.plan.form_reader import NEEDED, FormReader
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm

EXIT_TYPES: Final = frozenset({"market", "limit", OCO})
"""What has the fields of an exit; a market or limit entry may leave them empty."""
EXIT_DEFAULTS: Final[BatchForm] = {
    **dict.fromkeys(("profit", "loss", "loss_trail"), ""),
    "profit_then": "limit",
}
OTHER_SIDE: Final = {"buy": "sell", "sell": "buy"}


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """When to sell again. ``is_of_base``: prices are of one base token."""

    profit: Decimal | None
    then: str
    loss: Decimal | None
    trail_bps: int | None
    confirmations: int | None
    is_of_base: bool

    def add_bracket(self, terms: WireOrderTerms, side: str) -> None:
        """Add the legs to an entry of this side; they swap back what it receives."""
        bracket = {}
        if self.profit is not None:
            bracket["takeProfit"] = self._build_profit(OTHER_SIDE[side])
        if self.loss is not None or self.trail_bps is not None:
            bracket["stop"] = self._build_stop(OTHER_SIDE[side])
        terms["bracket"] = bracket

    def split(self, terms: WireOrderTerms, side: str, label: str) -> list[WireOrderTerms]:
        """The two orders of an OCO with these terms; ``label`` is its name in its batch."""
        stop_type = "stop" if self.trail_bps is None else "trailingStop"
        legs: list[dict[str, Any]] = [
            {"type": "takeProfit", **self._build_profit(side)},
            {"type": stop_type, **self._build_stop(side)},
        ]
        return [{**terms, **leg, "ocoGroup": label} for leg in legs]  # type: ignore[typeddict-item]

    def _build_profit(self, side: str) -> dict[str, Any]:
        return {"triggerPrice": f"{self.profit:f}", "then": self.then, **self._build_common(side)}

    def _build_stop(self, side: str) -> dict[str, Any]:
        if self.trail_bps is not None:
            common = self._build_common(side)
            return {"trailBps": self.trail_bps, **common}
        return {"triggerPrice": f"{self.loss:f}", **self._build_common(side)}

    def _build_common(self, side: str) -> dict[str, Any]:
        common: dict[str, Any] = {"priceOf": name_priced_token(side, is_of_base=self.is_of_base)}
        if self.confirmations is not None:
            common["confirmations"] = self.confirmations
        return common


def read_exit(reader: FormReader, order_type: str) -> ExitPlan | None:
    """Read when to sell again; ``None`` for a type without it, and for an entry that asks none."""
    if order_type not in EXIT_TYPES:
        return None
    is_oco = order_type == OCO
    has_stop = bool(reader.read_text("loss") or reader.read_text("loss_trail"))
    if not (is_oco or has_stop or reader.read_text("profit")):
        return None
    if is_oco and not has_stop:
        reader.errors["loss"] = NEEDED
    plan = ExitPlan(
        profit=reader.read_decimal("profit", is_optional=not is_oco),
        then=reader.read_choice("profit_then", THEN),
        loss=reader.read_decimal("loss", is_optional=True) if has_stop else None,
        trail_bps=reader.read_bps("loss_trail", TRAIL_MIN, TRAIL_MAX, is_optional=True),
        confirmations=read_confirmations(reader),
        is_of_base=read_is_of_base(reader),
    )
    if plan.loss is not None and plan.trail_bps is not None:
        reader.errors["loss"] = "give a price or a distance, not both"
    return plan
