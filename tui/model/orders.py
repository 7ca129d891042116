"""One order as the dashboard knows it: what was asked for, where it is, and how it got there.

Amounts and prices stay the decimal text that the API sent, or become ``Decimal``; nothing is a
float. An order changes only through ``apply`` (a transition), ``refresh`` (as it is stored) and
``retell`` (its whole history), and ``version`` rises with each change, so that whoever drew it
knows when to draw it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from decimal import Decimal
from sys import intern
from typing import Any, Final, NamedTuple

from tui.model.messages import WireEvent, WireOrder, WireQuote, WireUnavailable
from tui.model.pairs import Pair, pair
from tui.model.step_history import Trail, Trouble
from tui.text.format import parse_at
from tui.text.symbols import ENDS

BPS: Final = 10_000


class Quote(NamedTuple):
    """What a venue offered. ``fee`` and ``impact`` are fractions, ``price`` is out per one in."""

    dex: str
    price: Decimal
    fee: Decimal
    amount_out: Decimal
    impact: Decimal


class Gap(NamedTuple):
    """What the chosen venue offered, and by how much that is more than the best of the others."""

    amount_out: Decimal
    gained: Decimal

    @property
    def bps(self) -> Decimal:
        """The difference in basis points of the other offer."""
        return self.gained / (self.amount_out - self.gained) * BPS


class Order:
    """An order; ``id`` never changes and sorts by the time of creation."""

    __slots__ = (
        "_quotes",
        "amount_in",
        "amount_out",
        "attempt",
        "batch_id",
        "client_order_id",
        "created_ms",
        "dex",
        "executed_price",
        "floor_out",
        "id",
        "limit_price",
        "min_amount_out",
        "seq",
        "slippage_bps",
        "status",
        "token_in",
        "token_out",
        "trail",
        "trouble",
        "tx_hash",
        "type",
        "unavailable",
        "updated_ms",
        "version",
    )

    def __init__(self, order_id: str) -> None:
        self.id = order_id
        self.version = 0
        self.seq = 0
        self.status = "pending"
        self.attempt = 1
        self.type = "market"
        self.token_in = ""
        self.token_out = ""
        self.amount_in = "0"
        self.slippage_bps = 0
        self.min_amount_out: str | None = None
        self.limit_price: str | None = None
        self.batch_id: str | None = None
        self.client_order_id: str | None = None
        self.dex: str | None = None
        self.floor_out: str | None = None
        self.tx_hash: str | None = None
        self.amount_out: str | None = None
        self.executed_price: str | None = None
        self.trouble: Trouble | None = None
        self.unavailable: tuple[tuple[str, str, str], ...] = ()
        self.created_ms = 0
        self.updated_ms = 0
        self.trail = Trail()
        self._quotes = ""

    @property
    def short_id(self) -> str:
        """Eight letters that tell it from others: the first ones of an id are its time."""
        return self.id[-8:]

    @property
    def pair(self) -> Pair:
        """The pair and the side."""
        return pair(self.token_in, self.token_out)

    @property
    def is_end(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in ENDS

    @property
    def is_told(self) -> bool:
        """Whether every step of it is known."""
        return len(self.trail) == self.seq

    def took_ms(self, now_ms: int) -> int:
        """How long it took, or has taken until now."""
        return max((self.updated_ms if self.is_end else now_ms) - self.created_ms, 0)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """What the venues offered when they were last asked."""
        return tuple(_unpacked(line) for line in self._quotes.splitlines())

    @property
    def quoted(self) -> list[str]:
        """The venues that offered something."""
        return [line.partition("\t")[0] for line in self._quotes.splitlines()]

    @property
    def chosen(self) -> Quote | None:
        """The quote that was taken."""
        return next((quote for quote in self.quotes if quote.dex == self.dex), None)

    @property
    def price(self) -> Decimal | None:
        """What was paid, in quote tokens for one base token."""
        if self.amount_out is None:
            return None
        return self.pair.price(Decimal(self.amount_in), Decimal(self.amount_out))

    @property
    def slip_bps(self) -> Decimal | None:
        """How much better (+) or worse (-) than the chosen quote it was executed."""
        if self.amount_out is None:
            return None
        quote = self.chosen
        if quote is None or not quote.amount_out:
            return None
        return (Decimal(self.amount_out) / quote.amount_out - 1) * BPS

    @property
    def gap(self) -> Gap | None:
        """How the chosen venue's offer compares with the best of the others."""
        quotes = self.quotes
        chosen = [quote.amount_out for quote in quotes if quote.dex == self.dex]
        others = [quote.amount_out for quote in quotes if quote.dex != self.dex]
        if not chosen or not any(others):
            return None
        return Gap(chosen[0], chosen[0] - max(others))

    @property
    def gap_bps(self) -> Decimal | None:
        """How much more the chosen venue offered than the best of the others."""
        gap = self.gap
        return None if gap is None else gap.bps

    def copy(self) -> Order:
        """The order as it is now, which later changes do not reach."""
        other = copy(self)
        other.trail = self.trail.copy()
        return other

    def apply(self, event: WireEvent) -> None:
        """Take the next transition."""
        self.seq = event["seq"]
        self.status = intern(event["status"])
        self.attempt = event["attempt"]
        self.updated_ms = parse_at(event["at"])
        self.version += 1
        trouble = None
        if "code" in event:
            trouble = Trouble(
                intern(event["code"]), event.get("reason", ""), event.get("waitMs", 0)
            )
            self.trouble = trouble
        elif self.status == "confirmed":
            self.trouble = None
        if len(self.trail) == self.seq - 1:
            self.trail.append(self.status, self.attempt, self.updated_ms, trouble)
        if self.seq == 1:
            self.created_ms = self.updated_ms
            self._take_terms(event)
        else:
            self._take_progress(event)

    def refresh(self, stored: WireOrder) -> None:
        """Take the order as it is stored."""
        self.seq = stored["seq"]
        self.status = intern(stored["status"])
        self.attempt = stored["attempts"]
        self.created_ms = parse_at(stored["createdAt"])
        self.updated_ms = parse_at(stored["updatedAt"])
        self.version += 1
        self._take_terms(stored)
        if stored["route"] is not None:
            self._take_progress(stored["route"])
        self._take_progress({key: stored.get(key) for key in _PROGRESS})
        code, _, reason = (stored["lastError"] or "").partition(": ")
        self.trouble = Trouble(intern(code), reason) if code and self.status != _DONE else None

    def retell(self, events: Sequence[WireEvent]) -> None:
        """Take the whole history; nothing happens if it ends before what is known already."""
        if events and events[-1]["seq"] >= self.seq:
            self.trail = Trail()
            for event in events:
                self.apply(event)

    def _take_terms(self, terms: WireEvent | WireOrder) -> None:
        self.type = intern(terms.get("type") or "market")
        self.token_in = intern(terms.get("tokenIn") or "")
        self.token_out = intern(terms.get("tokenOut") or "")
        self.amount_in = terms.get("amountIn") or "0"
        self.slippage_bps = terms.get("slippageBps") or 0
        self.min_amount_out = terms.get("minAmountOut")
        self.limit_price = terms.get("limitPrice")
        batch_id = terms.get("batchId")
        self.batch_id = intern(batch_id) if batch_id else None
        self.client_order_id = terms.get("clientOrderId")

    def _take_progress(self, facts: Mapping[str, Any]) -> None:
        if quotes := facts.get("quotes"):
            self._quotes = "\n".join(map(_packed, quotes))
            self.floor_out = facts.get("minAmountOut")
            self.unavailable = tuple(map(_unavailable, facts.get("unavailable") or ()))
        if dex := facts.get("dex"):
            self.dex = intern(dex)
        if (tx_hash := facts.get("txHash")) and tx_hash != self.tx_hash:
            self.tx_hash = tx_hash
        if amount_out := facts.get("amountOut"):
            self.amount_out = amount_out
            self.executed_price = facts.get("executedPrice")


_DONE: Final = "confirmed"
_PROGRESS: Final = ("dex", "txHash", "amountOut", "executedPrice")


def _packed(quote: WireQuote) -> str:
    """A quote as one short line: thousands of these are kept and few are looked at."""
    return "\t".join(
        (quote["dex"], quote["price"], quote["fee"], quote["amountOut"], quote["priceImpact"])
    )


def _unpacked(line: str) -> Quote:
    dex, *numbers = line.split("\t")
    price, fee, amount_out, impact = map(Decimal, numbers)
    return Quote(dex, price, fee, amount_out, impact)


def _unavailable(venue: WireUnavailable) -> tuple[str, str, str]:
    return intern(venue["dex"]), intern(venue["code"]), venue["reason"]
