"""Conditions as clients write them: what is wrong is refused with the field and the reason."""

from __future__ import annotations

import pytest

from backend.domain.condition_fields import ConditionFields, ConditionReader
from backend.domain.conditions import (
    Condition,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.prices import PriceRatio
from backend.domain.tokens import SOL, USDC

AT_95, AT_90 = PriceRatio(95, 1_000), PriceRatio(90, 1_000)
Fields = ConditionFields


@pytest.mark.parametrize(
    ("order_type", "fields", "condition"),
    [
        ("market", Fields(min_amount_out=5), None),
        ("limit", Fields(limit_price="95"), Limit(AT_95)),
        ("limit", Fields(min_amount_out=95 * 10**6), Limit(AT_95)),
        ("limit", Fields(limit_price=95, min_amount_out=95 * 10**6), Limit(AT_95)),
        ("stop", Fields(trigger_price="95", confirmations=1), Stop(AT_95, 1)),
        (
            "takeProfit",
            Fields(trigger_price="95", then="market"),
            TakeProfit(AT_95, 2, Then.MARKET),
        ),
        ("stopLimit", Fields(trigger_price=95, limit_price=90), StopLimit(AT_95, AT_90)),
        ("trailingStop", Fields(trail_bps=50), TrailingStop(50)),
        ("trailingStop", Fields(trail_bps=5_000, activation_price=95), TrailingStop(5_000, AT_95)),
    ],
)
def test_these_are_conditions(
    order_type: str, fields: ConditionFields, condition: Condition | None
) -> None:
    reader = ConditionReader(SOL, USDC, 10**9)
    assert reader.read(order_type, fields) == condition
    assert reader.errors == []


@pytest.mark.parametrize(
    ("order_type", "fields", "field", "reason"),
    [
        ("limit", Fields(), "limitPrice", "is required, or minAmountOut"),
        ("limit", Fields(limit_price="0"), "limitPrice", "greater than 0"),
        ("limit", Fields(limit_price=95, min_amount_out=1), "minAmountOut", "asks for 95 USDC"),
        ("limit", Fields(limit_price="1e20"), "limitPrice", "64-bit amount"),
        ("limit", Fields(limit_price=95, price_of="SOL"), "priceOf", "one of tokenIn, tokenOut"),
        ("limit", Fields(limit_price=95, trigger_price=9), "triggerPrice", "stop, takeProfit"),
        ("market", Fields(trigger_price=95), "triggerPrice", "not to market"),
        ("market", Fields(price_of="tokenIn"), "priceOf", "orders that wait"),
        ("stop", Fields(), "triggerPrice", "is required"),
        ("stop", Fields(trigger_price="x"), "triggerPrice", "a decimal number"),
        ("stop", Fields(trigger_price=95, confirmations=0), "confirmations", "1 to 10"),
        ("stop", Fields(trigger_price=95, confirmations=11), "confirmations", "1 to 10"),
        ("stop", Fields(trigger_price=95, min_amount_out=1), "minAmountOut", "use limit or"),
        ("stop", Fields(trigger_price=95, then="limit"), "then", "belongs to"),
        ("takeProfit", Fields(trigger_price=95, then="x"), "then", "one of limit, market"),
        ("stopLimit", Fields(trigger_price=95), "limitPrice", "is required"),
        ("trailingStop", Fields(), "trailBps", "is required"),
        ("trailingStop", Fields(trail_bps=0), "trailBps", "50 to 5000"),
        ("trailingStop", Fields(trail_bps=5_001), "trailBps", "50 to 5000"),
    ],
)
def test_these_are_refused(
    order_type: str, fields: ConditionFields, field: str, reason: str
) -> None:
    reader = ConditionReader(SOL, USDC, 10**9)
    assert reader.read(order_type, fields) is None
    [error] = reader.errors
    assert error.field == field
    assert reason in error.reason
