"""What a rehearsal has shown, as lines for people and as JSON; amounts are decimal strings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from backend.domain.amounts import BPS, format_amount
from backend.domain.orders import OrderTerms
from backend.engine.examination.orders import describe_amount
from backend.engine.examination.rehearsal import (
    RehearsalSummary,
    RehearsedOrder,
    summarize_orders,
)
from backend.engine.examination.rows import (
    describe_difference,
    describe_route,
    format_bps,
    format_count,
)
from backend.engine.examination.swap_simulation import SimulatedSwap

Json: TypeAlias = dict[str, Any]


def describe_order(order: RehearsedOrder) -> str:
    """One line on an order: its quote against what it would pay, what it costs, and its route."""
    terms, swap = order.terms, order.swap
    head = f"{order.number:>5}  {describe_amount(terms)}: "
    if swap is None or swap.effects is None:
        assert order.error is not None, "an order without effects has an error"
        return f"{head}{order.error.code}: {order.error.reason}"
    quoted, paid = (
        format_amount(amount, terms.token_out.decimals)
        for amount in (swap.route.amount_out, swap.effects.amount_out)
    )
    units = "?" if swap.units is None else f"{swap.units:,}"
    return (
        f"{head}quoted {quoted}, simulated {paid}, {describe_difference(swap)};"
        f" {units} of {swap.fee.unit_limit:,} units, {swap.fee.lamports:,} lamports;"
        f" {describe_route(swap.route)}"
    )


def describe_summary(summary: RehearsalSummary) -> Iterator[str]:
    """Lines on all orders together."""
    filled = len(summary.differences)
    orders = format_count(summary.orders, "order")
    yield f"{orders}, {filled} would be filled, {summary.equal} at their quote"
    yield f"in the slot of their quote: {summary.same_slot}, {summary.same_slot_equal} at it"
    if filled:
        least, middle, most = map(format_bps, _choose_quantiles(summary.differences))
        yield f"simulated against quoted: {least} bps at least, {middle} in the middle, {most} most"
        yield f"routes: {summary.split} split over pools, {summary.over_hops} through other tokens"
        yield f"fees: {summary.fee_lamports:,} lamports"
    if summary.units_share is not None:
        share = format_amount(round(summary.units_share * BPS), 2)
        yield f"compute units: up to {share} % of a limit"
    for code, count in summary.errors.most_common():
        yield f"{code}: {format_count(count, 'order')}"


def build_json(orders: Sequence[RehearsedOrder], **head: object) -> Json:
    """All orders with their summary; ``head`` tells where they were rehearsed."""
    summary = summarize_orders(orders)
    quantiles = _choose_quantiles(summary.differences) if summary.differences else ()
    names = ("least", "median", "most")
    return {
        **head,
        "orders": list(map(_order_to_json, orders)),
        "summary": {
            "orders": summary.orders,
            "filled": len(summary.differences),
            "equal": summary.equal,
            "sameSlot": summary.same_slot,
            "sameSlotEqual": summary.same_slot_equal,
            "differenceBps": dict(zip(names, map(format_bps, quantiles), strict=False)),
            "feeLamports": summary.fee_lamports,
            "split": summary.split,
            "throughOtherTokens": summary.over_hops,
            "errors": dict(summary.errors),
        },
    }


def _choose_quantiles(differences: Sequence[Fraction]) -> tuple[Fraction, Fraction, Fraction]:
    """The least, the lower median and the most of sorted values."""
    return differences[0], differences[(len(differences) - 1) // 2], differences[-1]


def _order_to_json(order: RehearsedOrder) -> Json:
    terms = order.terms
    shown: Json = {
        "number": order.number,
        "tokenIn": terms.token_in.symbol,
        "tokenOut": terms.token_out.symbol,
        "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
    }
    if order.swap is not None:
        shown |= _swap_to_json(order.swap, terms)
    if order.error is not None:
        shown["error"] = {"code": order.error.code, "reason": order.error.reason}
    return shown


def _swap_to_json(swap: SimulatedSwap, terms: OrderTerms) -> Json:
    route, decimals = swap.route, terms.token_out.decimals
    shown: Json = {
        "quoted": format_amount(route.amount_out, decimals),
        "quoteSlot": route.slot,
        "simulationSlot": swap.slot,
        "route": route.to_json(terms),
        "computeUnits": swap.units,
        "computeUnitLimit": swap.fee.unit_limit,
        "feeLamports": swap.fee.lamports,
    }
    if swap.effects is not None:
        shown |= {
            "taken": format_amount(swap.effects.amount_in, terms.token_in.decimals),
            "simulated": format_amount(swap.effects.amount_out, decimals),
            "differenceBaseUnits": str(swap.difference),
            "differenceBps": format_bps(swap.difference_part),
            "rentLamports": swap.effects.rent_lamports,
        }
    return shown
