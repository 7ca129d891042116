"""What an order waits for, the price that met it, and when it expires, as lines of its detail."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tui.model.conditions import (
    MARKET,
    describe_awaited,
    describe_then,
    format_written_price,
    name_price_unit,
)
from tui.model.orders import Order
from tui.model.routes.quotes import BPS
from tui.output.order_waiting import render_wrapped
from tui.output.timeline import TextContext
from tui.text.format import Line, format_moment, format_percent, format_time_left


def render_condition(order: Order, context: TextContext) -> Iterator[Line]:
    """Render what an order waits or waited for, and the price that met it."""
    condition = order.condition
    if condition is None:
        return
    is_triggered = order.is_triggered and order.status == "waiting"
    awaited = describe_awaited(
        condition,
        order.token_in,
        order.token_out,
        context.symbols,
        is_triggered=is_triggered,
    )
    then = "" if is_triggered else describe_then(condition)
    if then == MARKET:
        slippage = format_percent(Decimal(order.slippage_bps) / BPS)
        then += f" with slippage {context.symbols.at_most} {slippage}"
    title = "WAITS" if order.status == "waiting" else "CONDITION"
    role = "waiting" if order.status == "waiting" else ""
    yield from render_wrapped(title, f"{awaited}, then {then}" if then else awaited, role, context)
    if order.met is not None:
        met = order.met
        price = f"{format_written_price(met.price)} {_name_unit(order)}"
        venue = f" on {met.dex}" if met.dex else ""
        slot = "" if met.slot is None else f", slot {met.slot}"
        yield from render_wrapped("MET AT", f"{price}{venue}{slot}", "", context)


def render_expiry(order: Order, context: TextContext) -> Iterator[Line]:
    """Render how long an order is in force, unless it is until it is filled or cancelled."""
    if order.expires_ms is not None:
        moment = format_moment(order.expires_ms, context.timezone)
        left_ms = order.expires_ms - context.now_ms
        left = f", in {format_time_left(left_ms)}" if left_ms > 0 and not order.is_end else ""
        yield from render_wrapped("EXPIRES", f"{moment}{left}", "", context)
    if order.time_in_force not in ("gtc", "gtd"):
        yield from render_wrapped("IN FORCE", f"{order.time_in_force}: one attempt", "", context)


def _name_unit(order: Order) -> str:
    assert order.met is not None
    return name_price_unit(order.met.price_of, order.token_in, order.token_out)
