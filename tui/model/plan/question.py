"""The question before orders are placed that sell much, or what is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tui.model.plan.batch_plan import count_orders, describe_totals
from tui.model.plan.shares import is_share
from tui.model.wire import WireOrderTerms
from tui.text.format import describe_value


def describe_question(
    orders: Sequence[WireOrderTerms], value: Decimal | None, limit: int
) -> list[str]:
    """Why to ask before these orders are placed, in lines; none if there is no reason.

    ``value``: of what they sell, in USDC, as far as it is known. That of a share of the wallet is
    not known before its order triggers, so it may be above any limit.
    """
    shares = [order for order in orders if is_share(order["amount"])]
    is_above = value is not None and value > limit
    if not (shares or is_above):
        return []
    lines = []
    if amounts := [order for order in orders if not is_share(order["amount"])]:
        worth = "" if value is None else f", {describe_value(value)}"
        excess = f": more than {limit:,} USDC" if is_above else ""
        totals = describe_totals(amounts, len(amounts))
        lines.append(f"{totals} in {count_orders(len(amounts))}{worth}{excess}")
    if shares:
        verb = "sells" if len(shares) == 1 else "sell"
        sold = describe_totals(shares, len(shares))
        lines.append(
            f"{count_orders(len(shares))} {verb} {sold} that the wallet holds at the trigger:"
        )
        lines.append("its value is not known before")
    return lines


def name_answer(orders: Sequence[WireOrderTerms], value: Decimal | None) -> str:
    """What placing the orders is called: by their value, where that is known of all of them."""
    if value is None or any(is_share(order["amount"]) for order in orders):
        return f"Place {count_orders(len(orders))}"
    return f"Place {describe_value(value)}"
