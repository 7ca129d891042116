"""The columns of orders: the text, width and sort key of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from tui.model.conditions import SNIPER, format_awaited_short
from tui.model.orders import Order
from tui.model.pairs import DOLLAR_TOKENS
from tui.model.waiting import Slices
from tui.table.venue_cell import SHARES_CELLS, format_shares, format_venue, format_venue_short
from tui.text.format import (
    Span,
    draw_bar,
    format_amount,
    format_bps,
    format_distance,
    format_duration,
    format_price,
)
from tui.text.symbols import STATUSES, TYPE_LABELS, Symbols

LOSS_MIN_BPS: Final = 10
"""Differences from here on are marked as a loss; smaller ones are market noise."""

_PRICE_CELLS: Final = 8

CellFormatter = Callable[[Order, int, Symbols], Span]
SortKey = Callable[[Order, int], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``sort_key`` returns the value that orders are compared by; ``None`` sorts last.

    ``wider`` has formatters that say more, by the cells that they need, the widest first.
    """

    key: str
    title: str
    cells: int
    format_cell: CellFormatter
    sort_key: SortKey
    is_right: bool = False
    is_optional: bool = False
    wider: tuple[tuple[int, CellFormatter], ...] = ()

    def fit(self, room: int) -> Column:
        """Return the column as wide as it can be with so many more cells."""
        for cells, format_cell in self.wider:
            if cells - self.cells <= room:
                return replace(self, cells=cells, format_cell=format_cell)
        return self


def _format_id(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    is_child = order.parent_id is not None
    return Span(f"{symbols.branch}{order.short_id[1:]}" if is_child else order.short_id)


def _format_amount(order: Order, _now_ms: int, _symbols: Symbols) -> Span:
    unit = order.pair.base if order.pair.side == "sell" else order.pair.quote
    number = format_amount(Decimal(order.amount_in), is_dollars=unit in DOLLAR_TOKENS)
    if order.share is not None and order.met is None and order.status == "waiting":
        number = f"~{number}"  # an estimate until it triggers
    return Span(f"{number:>7} {unit[:4]:<4}")


def _format_status(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    return Span(f"{symbols.status[order.status]} {order.status}", order.status)


def _format_price(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    price = order.price
    if order.slices is not None and not order.is_end:
        return Span(_format_progress(order.slices, symbols), order.status)
    if order.status == "waiting" and order.type == SNIPER:
        return Span("new pool", "waiting")
    if order.status == "waiting" and order.condition is not None:
        is_triggered = order.is_triggered
        text = format_awaited_short(order.condition, symbols, is_triggered=is_triggered)
        return Span(text, "waiting")
    return Span(symbols.dot, "muted") if price is None else Span(format_price(price))


def _format_progress(slices: Slices, symbols: Symbols) -> str:
    """``██░ 3/10``, with as much of a bar as there is room for."""
    text = f" {slices.placed}/{slices.slice_count}"
    room = max(_PRICE_CELLS - len(text), 0)
    return f"{draw_bar(slices.share_placed, room, symbols.full, symbols.empty)}{text}".strip()


def _format_improvement(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    if order.status == "waiting":
        bps = None if order.distance is None else order.distance.distance_bps
        return Span(symbols.dot, "muted") if bps is None else Span(format_distance(bps), "waiting")
    return _format_signed_bps(order.improvement_bps, symbols)


def _sort_improvement(order: Order, _now_ms: int) -> Decimal | None:
    if order.status != "waiting":
        return order.improvement_bps
    bps = None if order.distance is None else order.distance.distance_bps
    return None if bps is None else Decimal(bps)


def _format_quote_gap(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    return _format_signed_bps(order.quote_gap_bps, symbols)


def _format_signed_bps(value: Decimal | None, symbols: Symbols) -> Span:
    if value is None:
        return Span(symbols.dot, "muted")
    return Span(format_bps(value), "worse" if value <= -LOSS_MIN_BPS else "")


def _format_duration(order: Order, now_ms: int, _symbols: Symbols) -> Span:
    return Span(format_duration(order.duration_ms(now_ms)), "" if order.is_end else "running")


def _format_attempts(order: Order, _now_ms: int, _symbols: Symbols) -> Span:
    return Span(str(order.attempt), "worse" if order.attempt > 1 else "")


def _format_batch(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    return Span(f"#{order.batch_id[-4:]}") if order.batch_id else Span(symbols.dot, "muted")


def _format_signature(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    return Span(order.tx_hash[:8]) if order.tx_hash else Span(symbols.dot, "muted")


def _format_age(order: Order, now_ms: int, _symbols: Symbols) -> Span:
    return Span(format_duration(now_ms - order.created_ms))


COLUMNS: Final[Mapping[str, Column]] = {
    column.key: column
    for column in (
        Column(
            "time",
            "Order",
            8,
            _format_id,
            lambda order, _now: order.rank,
        ),
        Column(
            "pair",
            "Pair",
            9,
            lambda order, _now, _symbols: Span(order.pair.name),
            lambda order, _now: order.pair.name,
        ),
        Column(
            "side",
            "Side",
            4,
            lambda order, _now, _symbols: Span(order.pair.side, order.pair.side),
            lambda order, _now: order.pair.side,
        ),
        Column(
            "type",
            "Typ",
            3,
            lambda order, _now, _symbols: Span(TYPE_LABELS.get(order.type, order.type)),
            lambda order, _now: order.type,
        ),
        Column(
            "amount",
            " Amount",
            12,
            _format_amount,
            lambda order, _now: Decimal(order.amount_in),
        ),
        Column("status", "Status", 11, _format_status, lambda o, _now: STATUSES.index(o.status)),
        Column(
            "dex",
            "DEX",
            7,
            format_venue_short,
            lambda order, _now: order.dex,
            wider=((SHARES_CELLS, format_shares), (10, format_venue)),
        ),
        Column(
            "price",
            "Price",
            _PRICE_CELLS,
            _format_price,
            lambda order, _now: order.price,
            is_right=True,
        ),
        Column(
            "bps",
            "bps",
            4,
            _format_improvement,
            _sort_improvement,
            is_right=True,
        ),
        Column(
            "took",
            "ms",
            5,
            _format_duration,
            lambda o, now_ms: o.duration_ms(now_ms),
            is_right=True,
        ),
        Column(
            "tries",
            "try",
            3,
            _format_attempts,
            lambda order, _now: order.attempt,
            is_right=True,
            is_optional=True,
        ),
        Column(
            "gap",
            "gap",
            4,
            _format_quote_gap,
            lambda o, _now: o.quote_gap_bps,
            is_right=True,
            is_optional=True,
        ),
        Column("batch", "Batch", 5, _format_batch, lambda o, _now: o.batch_id, is_optional=True),
        Column("age", "Age", 5, _format_age, lambda o, _now: o.id, is_right=True, is_optional=True),
        Column(
            "tx", "Tx", 8, _format_signature, lambda order, _now: order.tx_hash, is_optional=True
        ),
    )
}
