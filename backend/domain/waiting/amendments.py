"""Amendments of waiting orders: their terms after a change of some fields, refused field by field.

What is not changed stays exactly as it is: a price is a ratio, which need not have a decimal.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

from backend.domain.amounts import format_amount
from backend.domain.condition_fields import (
    ConditionFields,
    ConditionReader,
    find_foreign_fields,
    format_condition,
    name_prices,
)
from backend.domain.conditions import (
    Limit,
    PriceCondition,
    Stop,
    StopLimit,
    TakeProfit,
    TrailingStop,
    get_release,
)
from backend.domain.errors import InvalidInput
from backend.domain.fees.order_fees import fees_to_json
from backend.domain.orders import OrderTerms
from backend.domain.prices import PriceOf
from backend.domain.waiting.shares import describe_share, find_share_errors

_SHOWN_PRICES: Final = frozenset({"limitPrice", "triggerPrice", "activationPrice"})


@dataclass(frozen=True, slots=True)
class TermsChange:
    """The terms to change; ``None`` leaves one as it is. Amounts are base units.

    ``fields`` are those of the condition, with the minimum amount out. With ``amount_in_bps`` the
    new amount is that share of what the wallet holds, without it a fixed one.
    """

    fields: ConditionFields
    amount_in: int | None = None
    slippage_bps: int | None = None
    max_price_impact_bps: int | None = None
    amount_in_bps: int | None = None


def amend_terms(
    terms: OrderTerms, change: TermsChange, *, is_triggered: bool, is_following: bool = False
) -> tuple[OrderTerms | None, list[InvalidInput]]:
    """The terms of a waiting order after a change; ``None`` if there are errors.

    ``is_triggered`` tells that its trigger was met: it waits for the limit that it became, and
    ``is_following`` that a trailing stop has begun to follow the price. The minimum amount out of
    what ends as a limit is computed anew, exactly, from its price.
    """
    assert isinstance(terms.condition, PriceCondition), "it waits for a price"
    kind, amount_in, share = terms.type.value, terms.amount_in, terms.amount_in_bps
    if change.amount_in is not None:
        amount_in, share = change.amount_in, change.amount_in_bps
    errors = find_foreign_fields(kind, change.fields)
    if share is not None:
        has_minimum = change.fields.min_amount_out is not None
        errors += find_share_errors(kind, has_minimum=has_minimum)
    if is_triggered and isinstance(terms.condition, StopLimit):
        errors += _refuse_met_trigger(change.fields)
    if is_following and change.fields.activation_price is not None:
        errors.append(InvalidInput("activationPrice", "was met: it follows the price already"))
    reader = ConditionReader(terms.token_in, terms.token_out, amount_in)
    merged = _merge_fields(terms.condition, terms.price_of, change.fields)
    condition = None if errors else reader.read(kind, merged)
    errors += reader.errors
    if condition is None:
        return None, errors
    limit = get_release(condition).limit
    cap = change.max_price_impact_bps
    amended = replace(
        terms,
        amount_in=amount_in,
        amount_in_bps=share,
        min_amount_out=None if limit is None else limit.price.min_amount_out(amount_in),
        slippage_bps=terms.slippage_bps if change.slippage_bps is None else change.slippage_bps,
        max_price_impact_bps=terms.max_price_impact_bps if cap is None else cap,
        condition=condition,
        price_of=reader.price_of,
    )
    errors += find_cap_errors(amended)
    return (None if errors else amended), errors


def find_cap_errors(terms: OrderTerms) -> list[InvalidInput]:
    """The error of a cap on the price impact that no sale at the market keeps."""
    condition = terms.condition
    if not isinstance(condition, Stop | TakeProfit | TrailingStop):
        return []
    if terms.max_price_impact_bps != 0 or get_release(condition).limit is not None:
        return []
    reason = "is 0, which no swap keeps: what its trigger sells at the market would never be sold"
    return [InvalidInput("maxPriceImpactBps", reason)]


def describe_change(before: OrderTerms, after: OrderTerms) -> dict[str, object]:
    """The terms that a change has changed, as clients see them, with whose price the prices are."""
    old, new = _show_terms(before), _show_terms(after)
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    if not _SHOWN_PRICES.isdisjoint(changed) and "priceOf" in new:
        changed["priceOf"] = new["priceOf"]
    return {**changed, **{name: None for name in old if name not in new}}


def changes_price(before: OrderTerms, after: OrderTerms) -> bool:
    """Whether what is waited for, or the price that is compared with it, is another one."""
    return (before.amount_in, before.condition, before.max_price_impact_bps) != (
        after.amount_in,
        after.condition,
        after.max_price_impact_bps,
    )


def _show_terms(terms: OrderTerms) -> dict[str, object]:
    assert terms.condition is not None
    token_in, token_out = terms.token_in, terms.token_out
    shown: dict[str, object] = {
        "amountIn": format_amount(terms.amount_in, token_in.decimals),
        **describe_share(terms.amount_in_bps),
        "slippageBps": terms.slippage_bps,
        "maxPriceImpactBps": terms.max_price_impact_bps,
        **fees_to_json(terms.fees),
        **format_condition(terms.condition, terms.price_of, token_in, token_out),
    }
    if terms.min_amount_out is not None:
        shown["minAmountOut"] = format_amount(terms.min_amount_out, token_out.decimals)
    return shown


def _refuse_met_trigger(fields: ConditionFields) -> list[InvalidInput]:
    written = {"triggerPrice": fields.trigger_price, "confirmations": fields.confirmations}
    reason = "its trigger was met: it waits for its limitPrice now"
    return [InvalidInput(name, reason) for name, value in written.items() if value is not None]


def _merge_fields(
    condition: PriceCondition, price_of: PriceOf, changed: ConditionFields
) -> ConditionFields:
    """The fields of a condition with the changed ones; a new minimum is a new limit."""
    prices = name_prices(condition)
    current = ConditionFields(
        limit_price=prices.get("limitPrice") if changed.min_amount_out is None else None,
        trigger_price=prices.get("triggerPrice"),
        activation_price=prices.get("activationPrice"),
        price_of=price_of.value,
        trail_bps=condition.trail_bps if isinstance(condition, TrailingStop) else None,
        confirmations=None if isinstance(condition, Limit) else condition.confirmations,
        then=condition.then.value if isinstance(condition, TakeProfit) else None,
    )
    written = {each.name: getattr(changed, each.name) for each in fields(changed)}
    return replace(current, **{name: value for name, value in written.items() if value is not None})
