"""Cancelling in words: which orders are meant, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tui.connection.order_canceller import CancelOutcome
from tui.model.groups import OrderGroups
from tui.model.orders import Order
from tui.model.plan.shares import describe_amount
from tui.text.format import Line, Span, format_exact
from tui.text.symbols import CANCELLABLE_STATUSES, STATUSES, Symbols

_SUBMITTED: Final = "submitted"


def describe_order(order: Order) -> str:
    """What an order does: ``sell SOL/USDC, 2.5 SOL``, with its type if it waits for a price."""
    amount = describe_sold(order)
    kind = f"{order.type} " if order.can_wait else ""
    return f"{kind}{order.pair.side} {order.pair.name}, {amount}"


def describe_sold(order: Order) -> str:
    """What an order sells: ``2.5 SOL``, or ``all of SOL, about 2.5`` before that is decided."""
    is_known = order.met is not None or order.status not in {"pending", "waiting"}
    amount, token = format_exact(order.amount_in), order.token_in[:8]
    return describe_amount(amount, token, order.share, is_known=is_known)


def describe_effects(order: Order, groups: OrderGroups) -> str:
    """What cancelling an order does to those that belong to it; empty if there are none."""
    parts = []
    sibling = groups.find_sibling(order)
    if sibling is not None and not sibling.is_end:
        parts.append(f"The other order of its OCO, {sibling.short_id} {sibling.type}, goes on.")
    if order.relations is not None and order.relations.bracket:
        parts.append("Its take-profit and stop are then never placed.")
    if order.slices is not None:
        placed, count = order.slices.placed, order.slices.slice_count
        parts.append(f"{placed:,} of {count:,} slices are placed; no other one will be.")
        if placed:
            parts.append(f"{_describe_filled(order, groups)} is swapped.")
    return " ".join(parts)


def describe_cancelled_slices(order: Order, groups: OrderGroups) -> str:
    """What the slices of a cancelled order have done before; empty for one without any."""
    slices = order.slices
    if slices is None or not slices.placed:
        return ""
    text = (
        f"cancelled after {slices.placed:,} of {slices.slice_count:,} slices;"
        f" {_describe_filled(order, groups)} was swapped"
    )
    submitted = sum(each.status == _SUBMITTED for each in groups.list_children(order))
    if not submitted:
        return text
    return f"{text}, {submitted:,} {'slice' if submitted == 1 else 'slices'} may still land"


def _describe_filled(order: Order, groups: OrderGroups) -> str:
    """How much of an order its slices have swapped: ``0.3 SOL of 0.5 SOL``."""
    token, filled = order.token_in[:8], groups.sum_filled(order)
    part = f"{format_exact(f'{filled:f}')} {token}" if filled else "nothing"
    return f"{part} of {format_exact(order.amount_in)} {token}"


def count_open(orders: Iterable[Order]) -> Counter[str]:
    """Count the orders that have not ended, by status."""
    return Counter(order.status for order in orders if not order.is_end)


def render_counts(counts: Mapping[str, int], symbols: Symbols) -> Line:
    """Render counts by status, in the order of the lifecycle."""
    return [
        Span(f"{symbols.status[status]} {status} {counts[status]:,}  ", status)
        for status in STATUSES
        if counts.get(status)
    ]


def describe_chances(counts: Mapping[str, int]) -> str:
    """Say which of the open orders can be cancelled."""
    submitted = counts.get(_SUBMITTED, 0)
    can = sum(counts.get(status, 0) for status in CANCELLABLE_STATUSES)
    if not can and not submitted:
        return "Too late: nothing of it is open any more."
    if not submitted:
        return "What is cancelled is never executed."
    late = "what is submitted may land, and goes on unless it is tried again"
    return f"What is cancelled is never executed; {late}." if can else f"Too late: {late}."


def describe_outcome(outcome: CancelOutcome, sliced: Sequence[str] = ()) -> str:
    """What became of the orders, and how those go on for which it is too late.

    ``sliced``: what the slices have done of those that had any, from `describe_cancelled_slices`.
    """
    return "; ".join(_describe_parts(outcome, sliced))


def _describe_parts(outcome: CancelOutcome, sliced: Sequence[str]) -> Iterator[str]:
    if outcome.total == 1:
        yield from _describe_single(outcome, sliced)
    else:
        yield from _describe_many(outcome, sliced)
    if outcome.error:
        yield outcome.error


def _describe_single(outcome: CancelOutcome, sliced: Sequence[str]) -> Iterator[str]:
    if outcome.cancelled and sliced:
        yield from sliced
    elif outcome.cancelled:
        yield "cancelled, it will never be executed"
    elif outcome.too_late:
        [status] = outcome.too_late
        yield f"too late, it is {status}{_describe_deadline(outcome, status)}"
    elif outcome.unknown:
        yield "the engine does not know this order"
    elif outcome.unanswered:
        yield "no answer, it may be cancelled all the same"
    else:
        yield "not cancelled"


def _describe_many(outcome: CancelOutcome, sliced: Sequence[str]) -> Iterator[str]:
    if outcome.cancelled and sliced:
        count = f"{len(sliced):,}"
        yield f"cancelled {outcome.cancelled:,}, what is left of them will never be executed"
        yield f"{count} had slices: {sliced[0]}" if len(sliced) == 1 else f"{count} had slices"
    elif outcome.cancelled:
        yield f"cancelled {outcome.cancelled:,}, they will never be executed"
    if outcome.too_late:
        ends = ", ".join(
            f"{outcome.too_late[status]:,} {status}{_describe_deadline(outcome, status)}"
            for status in STATUSES
            if outcome.too_late[status]
        )
        yield f"too late for {outcome.too_late.total():,}: {ends}"
    if outcome.unknown:
        yield f"{outcome.unknown:,} are not known to the engine"
    if outcome.unanswered:
        yield f"{outcome.unanswered:,} without an answer may be cancelled all the same"
    if outcome.rest:
        yield f"not cancelled {outcome.rest:,}"


def _describe_deadline(outcome: CancelOutcome, status: str) -> str:
    if status != _SUBMITTED or not outcome.may_land_until:
        return ""
    return f", may land up to block height {outcome.may_land_until:,}"
