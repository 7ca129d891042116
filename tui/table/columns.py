"""The columns of the blotter: what a cell says, how wide it is, and what it sorts by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tui.model.orders import Order
from tui.model.pairs import DOLLARS
from tui.text import format as as_text
from tui.text.format import Span
from tui.text.symbols import STATUSES, Marks

WORSE_BPS: Final = 10
"""From here on a difference is shown as a loss; below, it is the market's noise."""

Cell = Callable[[Order, int, Marks], Span]
SortKey = Callable[[Order, int], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``sort`` gives what orders are compared by; none is after all others."""

    key: str
    title: str
    cells: int
    cell: Cell
    sort: SortKey
    is_right: bool = False
    is_optional: bool = False


def columns_for(cells: int, optional: Iterable[str] = ()) -> tuple[Column, ...]:
    """The columns that fit into ``cells``, the most needed first, in the order of display."""
    wanted = [*_NEEDED, *(key for key in _OPTIONAL if key in set(optional)), *_EXTRA]
    chosen: set[str] = set()
    for key in wanted:
        cells -= COLUMNS[key].cells + 1
        if cells < 0:
            break
        chosen.add(key)
    return tuple(column for column in COLUMNS.values() if column.key in chosen)


def _amount(order: Order, _now_ms: int, _marks: Marks) -> Span:
    unit = order.pair.base if order.pair.side == "sell" else order.pair.quote
    number = as_text.amount(Decimal(order.amount_in), is_dollars=unit in DOLLARS)
    return Span(f"{number:>7} {unit[:4]:<4}")


def _status(order: Order, _now_ms: int, marks: Marks) -> Span:
    return Span(f"{marks.status[order.status]} {order.status}", order.status)


def _dex(order: Order, _now_ms: int, marks: Marks) -> Span:
    return Span(order.dex) if order.dex else Span(marks.dot, "muted")


def _price(order: Order, _now_ms: int, marks: Marks) -> Span:
    price = order.price
    return Span(marks.dot, "muted") if price is None else Span(as_text.price(price))


def _bps(order: Order, _now_ms: int, marks: Marks) -> Span:
    return _signed(order.slip_bps, marks)


def _gap(order: Order, _now_ms: int, marks: Marks) -> Span:
    return _signed(order.gap_bps, marks)


def _signed(value: Decimal | None, marks: Marks) -> Span:
    if value is None:
        return Span(marks.dot, "muted")
    return Span(as_text.bps(value), "worse" if value <= -WORSE_BPS else "")


def _took(order: Order, now_ms: int, _marks: Marks) -> Span:
    return Span(as_text.span_ms(order.took_ms(now_ms)), "" if order.is_end else "running")


def _tries(order: Order, _now_ms: int, _marks: Marks) -> Span:
    return Span(str(order.attempt), "worse" if order.attempt > 1 else "")


def _batch(order: Order, _now_ms: int, marks: Marks) -> Span:
    return Span(f"#{order.batch_id[-4:]}") if order.batch_id else Span(marks.dot, "muted")


def _tx(order: Order, _now_ms: int, marks: Marks) -> Span:
    return Span(order.tx_hash[:8]) if order.tx_hash else Span(marks.dot, "muted")


def _age(order: Order, now_ms: int, _marks: Marks) -> Span:
    return Span(as_text.span_ms(now_ms - order.created_ms))


_TYPES: Final = {"market": "MKT", "limit": "LMT", "sniper": "SNP"}

COLUMNS: Final[Mapping[str, Column]] = {
    column.key: column
    for column in (
        Column(
            "time",
            "Order",
            8,
            lambda order, _now, _marks: Span(order.short_id),
            lambda order, _now: order.id,
        ),
        Column(
            "pair",
            "Pair",
            9,
            lambda order, _now, _marks: Span(order.pair.name),
            lambda order, _now: order.pair.name,
        ),
        Column(
            "side",
            "Side",
            4,
            lambda order, _now, _marks: Span(order.pair.side, order.pair.side),
            lambda order, _now: order.pair.side,
        ),
        Column(
            "type",
            "Typ",
            3,
            lambda order, _now, _marks: Span(_TYPES.get(order.type, order.type)),
            lambda order, _now: order.type,
        ),
        Column(
            "amount",
            " Amount",
            12,
            _amount,
            lambda order, _now: Decimal(order.amount_in),
        ),
        Column("status", "Status", 11, _status, lambda o, _now: STATUSES.index(o.status)),
        Column("dex", "DEX", 7, _dex, lambda order, _now: order.dex),
        Column("price", "Price", 8, _price, lambda order, _now: order.price, is_right=True),
        Column("bps", "bps", 4, _bps, lambda order, _now: order.slip_bps, is_right=True),
        Column("took", "ms", 5, _took, lambda o, now_ms: o.took_ms(now_ms), is_right=True),
        Column(
            "tries",
            "try",
            3,
            _tries,
            lambda order, _now: order.attempt,
            is_right=True,
            is_optional=True,
        ),
        Column("gap", "gap", 4, _gap, lambda o, _now: o.gap_bps, is_right=True, is_optional=True),
        Column("batch", "Batch", 5, _batch, lambda o, _now: o.batch_id, is_optional=True),
        Column("age", "Age", 5, _age, lambda o, _now: o.id, is_right=True, is_optional=True),
        Column("tx", "Tx", 8, _tx, lambda order, _now: order.tx_hash, is_optional=True),
    )
}

_NEEDED: Final = ("status", "time", "pair", "side", "amount", "dex", "price", "took")
_EXTRA: Final = ("bps", "type")
_OPTIONAL: Final = tuple(key for key, column in COLUMNS.items() if column.is_optional)
