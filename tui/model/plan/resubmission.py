"""Which failed orders are not sent again: those of whose amount a part is or may yet be swapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tui.model.conditions import MARKET, TWAP
from tui.model.orders import Order

_SLICE_TYPES: Final = frozenset({MARKET, "limit"})
"""The types of slices: the other children of an order wait for a trigger."""

_HOPELESS_CODES: Final = frozenset(
    {
        *("no_pool", "no_route", "no_liquidity", "amount_too_large", "zero_output"),
        *("price_impact_too_high", "min_out_not_met", "insufficient_funds", "unsupported_mint"),
        *("account_frozen", "cpi_guard", "memo_required", "confidential_only", "fee_above_maximum"),
        *("out_of_compute", "program_error", "internal_error"),
    }
)
"""What fails again until its owner changes something."""


def explain_hopeless(order: Order) -> str:
    """Why an order is not sent again as it is, with others of its batch; empty if it can pass."""
    code = order.failure.code if order.failure is not None else ""
    return f"{code} fails again" if code in _HOPELESS_CODES else explain_left_out(order)


def explain_left_out(order: Order) -> str:
    """Why an order is not sent again, and what to do; empty if it can be."""
    if order.type == TWAP:
        return "slices of a TWAP may have swapped a part: place the rest as a new order"
    if order.oco_group is not None:
        return "the other order of an OCO may be executed too: cancel it, place both anew"
    if order.parent_id is not None and order.type in _SLICE_TYPES:
        return "the TWAP of a slice swaps its amount later: place what it leaves at its end"
    return ""


def explain_none_sent(selected: Order | None, failures: Sequence[Order]) -> str:
    """Why neither the selected failure nor the others are sent again; empty if some can be."""
    if not failures:
        return "no failed order is shown"
    if selected is not None and (reason := explain_left_out(selected)):
        return f"{selected.short_id} is not sent again: {reason}"
    return "\n".join(list_left_out(failures)) if all(map(explain_left_out, failures)) else ""


def list_left_out(
    orders: Iterable[Order], explain: Callable[[Order], str] = explain_left_out
) -> list[str]:
    """How many of some orders are not sent again, a line for each reason."""
    counts = Counter(map(explain, orders))
    return [f"{count:,} left out: {reason}" for reason, count in counts.items() if reason]
