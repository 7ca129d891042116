"""Reports: what ended in a time, by pair, exchange, day or batch, and all of it together.

Everything is a sum of integers over fills and other ended orders, so that the totals are the sums
of the rows, and of the fills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from backend.accounting.fills import FillRecord
from backend.accounting.pairs import name_pair
from backend.accounting.positions import PositionBook
from backend.domain.amounts import BPS, floor_div

GROUPS_MAX: Final = 10_000
"""Most rows of a report: 10 MB of JSON."""
REASONS_MAX: Final = 100
"""Most reasons that a row names; further ones count as ``other``."""


class Grouping(StrEnum):
    """What the rows of a report are by."""

    PAIR = "pair"
    DEX = "dex"
    DAY = "day"
    BATCH = "batch"


class TooManyGroups(Exception):
    """A report would have more than ``GROUPS_MAX`` rows."""


class EndedOrder(NamedTuple):
    """An order that ended without a fill, or the TWAP order whose slices are those fills.

    ``reason`` is the code of its last error, the fee that of its transactions that were reverted.
    """

    token_in: str
    token_out: str
    dex: str | None
    batch_id: UUID | None
    status: str
    reason: str | None
    at: datetime
    network_fee_lamports: int | None = None


@dataclass(slots=True)
class ReportRow:
    """The sums of one group.

    Values are in base units of the reference token. ``quoted_value`` is what the fills with a known
    slippage were quoted to pay, and ``missing_value`` what they paid less than that.
    """

    orders: Counter[str] = field(default_factory=Counter)
    """By their final status."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Orders without a fill by the codes of their errors, or why they were cancelled."""
    failure_reasons: Counter[str] = field(default_factory=Counter)
    """Of these, the failed orders."""
    fills: int = 0
    unknown_fills: int = 0
    unvalued_fills: int = 0
    volume: int = 0
    sold: Counter[str] = field(default_factory=Counter)
    bought: Counter[str] = field(default_factory=Counter)
    venue_fees: Counter[str] = field(default_factory=Counter)
    network_fee_lamports: int = 0
    unknown_fees: int = 0
    unfilled_fee_lamports: int = 0
    """What orders without a fill have paid, for transactions that were reverted."""
    fees: Counter[str] = field(default_factory=Counter)
    saved: Counter[str] = field(default_factory=Counter)
    saved_value: int = 0
    quoted_value: int = 0
    missing_value: int = 0
    realized: int = 0

    @property
    def slippage_bps(self) -> int | None:
        """How much less than quoted the fills paid together, rounded down."""
        if not self.quoted_value:
            return None
        return floor_div(self.missing_value * BPS, self.quoted_value)

    def add_order(self, order: EndedOrder) -> None:
        """Add an order that ended without a fill of its own."""
        self.orders[order.status] += 1
        self.unfilled_fee_lamports += order.network_fee_lamports or 0
        if order.reason is not None:
            _count_reason(self.reasons, order.reason)
            if order.status == "failed":
                _count_reason(self.failure_reasons, order.reason)

    def add_fill(self, fill: FillRecord, reference: str, realized: int) -> None:
        """Add a fill, and what it realized."""
        self.orders["confirmed"] += 1
        self.fills += 1
        if fill.network_fee_lamports is None:
            self.unknown_fees += 1
        else:
            self.network_fee_lamports += fill.network_fee_lamports
        self.fees.update(fill.fees or {})
        if fill.amount_out is None:
            self.unknown_fills += 1
            return
        self.realized += realized
        self.sold[fill.token_in.symbol] += fill.amount_in
        self.bought[fill.token_out.symbol] += fill.amount_out
        self.venue_fees.update({token.symbol: fee for token, fee in fill.venue_fees})
        if fill.saved is not None:
            self.saved[fill.token_out.symbol] += fill.saved
        self._add_values(fill, fill.compute_value(reference))

    def _add_values(self, fill: FillRecord, value: int | None) -> None:
        if value is None:
            self.unvalued_fills += 1
            return
        self.volume += value
        self.saved_value += fill.convert(fill.saved, value) or 0
        missing = fill.convert(fill.missing, value)
        if missing is not None:
            self.missing_value += missing
            self.quoted_value += value + missing

    def add(self, other: ReportRow) -> None:
        """Add all sums of another row."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)


def _count_reason(counts: Counter[str], reason: str) -> None:
    is_named = reason in counts or len(counts) < REASONS_MAX
    counts[reason if is_named else "other"] += 1


class Report:
    """The rows of a report, by the names of their groups; ``None`` is what has none."""

    def __init__(self, grouping: Grouping | None, book: PositionBook) -> None:
        self._find_key = _KEYS[grouping]
        self._book = book
        self.rows: dict[str | None, ReportRow] = {}

    def add_fills(self, fills: Iterable[FillRecord], start: datetime | None) -> None:
        """Book fills in their order; those before ``start`` only as what positions cost.

        Raises ``TooManyLots`` and ``TooManyGroups``.
        """
        for fill in fills:
            realized = self._book.book(fill)
            if start is None or fill.at >= start:
                key = _Key(*fill.pair, fill.dex, fill.at, fill.batch_id)
                self._find_row(key).add_fill(fill, self._book.reference, realized)

    def add_orders(self, orders: Iterable[EndedOrder]) -> None:
        """Add orders that ended without a fill of their own. Raises ``TooManyGroups``."""
        for order in orders:
            pair = name_pair(order.token_in, order.token_out)
            key = _Key(*pair, order.dex, order.at, order.batch_id)
            self._find_row(key).add_order(order)

    def sum_up(self) -> ReportRow:
        """The totals: the sums of all rows."""
        total = ReportRow()
        for row in self.rows.values():
            total.add(row)
        return total

    def _find_row(self, key: _Key) -> ReportRow:
        name = self._find_key(key)
        if name not in self.rows:
            if len(self.rows) >= GROUPS_MAX:
                raise TooManyGroups
            self.rows[name] = ReportRow()
        return self.rows[name]


class _Key(NamedTuple):
    base: str
    quote: str
    dex: str | None
    at: datetime
    batch_id: UUID | None


_KEYS: Final[Mapping[Grouping | None, Callable[[_Key], str | None]]] = {
    None: lambda _: "all",
    Grouping.PAIR: lambda key: f"{key.base}/{key.quote}",
    Grouping.DEX: lambda key: key.dex,
    Grouping.DAY: lambda key: key.at.astimezone(UTC).date().isoformat(),
    Grouping.BATCH: lambda key: None if key.batch_id is None else str(key.batch_id),
}
