"""The columns that only the list of open orders has: what each waits for, and how far that is."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tui.model.conditions import describe_awaited, describe_then
from tui.model.orders import WAITING, Order
from tui.table.columns import COLUMNS, Column
from tui.text.format import Span, format_distance, format_price, format_time_left
from tui.text.symbols import Symbols


def _format_market(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    if order.status != WAITING or order.distance is None:
        return Span(symbols.dot, "muted")
    return Span(format_price(Decimal(order.distance.executable_price)))


def _sort_market(order: Order, _now_ms: int) -> Decimal | None:
    return None if order.distance is None else Decimal(order.distance.executable_price)


def _format_away(order: Order, _now_ms: int, symbols: Symbols) -> Span:
    bps = _sort_away(order, 0)
    return Span(symbols.dot, "muted") if bps is None else Span(format_distance(bps), WAITING)


def _sort_away(order: Order, _now_ms: int) -> int | None:
    is_known = order.status == WAITING and order.distance is not None
    return order.distance.distance_bps if is_known and order.distance is not None else None


def _format_until(order: Order, now_ms: int, symbols: Symbols) -> Span:
    if order.expires_ms is None:
        return Span(symbols.dot, "muted")
    return Span(format_time_left(max(order.expires_ms - now_ms, 0)), "running")


def _format_awaited(order: Order, now_ms: int, symbols: Symbols) -> Span:
    """What it waits for; of a TWAP, and of what is in flight, how far it has come."""
    return COLUMNS["price"].format_cell(order, now_ms, symbols)


def _format_awaited_in_words(order: Order, now_ms: int, symbols: Symbols) -> Span:
    condition = order.condition
    if order.status != WAITING or condition is None or order.slices is not None:
        return _format_awaited(order, now_ms, symbols)
    words = describe_awaited(
        condition, order.token_in, order.token_out, symbols, is_triggered=order.is_triggered
    )
    then = describe_then(condition)
    return Span(f"{words}, then {then}" if then and not order.is_triggered else words, WAITING)


def _sort_awaited(order: Order, _now_ms: int) -> Decimal | None:
    condition = order.condition
    prices = () if condition is None else (condition.trigger_price, condition.limit_price)
    return next((Decimal(price) for price in prices if price), None)


OPEN_COLUMNS: Final = {
    **COLUMNS,
    **{
        column.key: column
        for column in (
            Column(
                "awaited",
                "Waits",
                8,
                _format_awaited,
                _sort_awaited,
                is_right=True,
                wider=((46, _format_awaited_in_words), (34, _format_awaited_in_words)),
            ),
            Column("market", "Now", 8, _format_market, _sort_market, is_right=True),
            Column("away", "away", 4, _format_away, _sort_away, is_right=True),
            Column(
                "until",
                "Until",
                5,
                _format_until,
                lambda order, _now: order.expires_ms,
                is_right=True,
            ),
        )
    },
}
"""All columns by their keys."""
