"""Orders whose condition must be refused, each with the field, the code and the reason."""

from __future__ import annotations

from typing import NamedTuple

DECIMAL_NUMBER = "must be a decimal number"
BELONGS = "belongs to orders of type"


class BadOrder(NamedTuple):
    """``field`` and ``code`` of the first error, and words of its reason."""

    text: str
    field: str
    words: str
    code: str = "invalid_field"


def describe_swap(members: str) -> str:
    """A swap of SOL for USDC with these members."""
    return f'{{"tokenIn":"SOL","tokenOut":"USDC",{members}}}'


def describe_amount(number: str) -> str:
    """That of so much."""
    return describe_swap(f'"amount":{number}')


def describe_order(members: str) -> str:
    """An order of 1 SOL with these members."""
    return describe_swap(f'"amount":1,{members}')


BAD_CONDITIONS = {
    "limit without a price": BadOrder(
        describe_order('"type":"limit"'),
        "limitPrice",
        "is required, or minAmountOut",
        "missing_field",
    ),
    "limit that contradicts its minimum": BadOrder(
        describe_order('"type":"limit","limitPrice":"99","minAmountOut":"98"'),
        "minAmountOut",
        "asks for 99 USDC",
    ),
    "limit price of 0": BadOrder(
        describe_order('"type":"limit","limitPrice":"0"'), "limitPrice", "greater than 0"
    ),
    "limit price in words": BadOrder(
        describe_order('"type":"limit","limitPrice":"high"'), "limitPrice", DECIMAL_NUMBER
    ),
    "limit price beyond 64 bits": BadOrder(
        describe_order('"type":"limit","limitPrice":"1e20"'), "limitPrice", "64-bit"
    ),
    "limit with a trigger": BadOrder(
        describe_order('"type":"limit","limitPrice":9,"triggerPrice":9'), "triggerPrice", BELONGS
    ),
    "stop without a trigger": BadOrder(
        describe_order('"type":"stop"'), "triggerPrice", "is required", "missing_field"
    ),
    "stop with a limit": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"limitPrice":8'), "limitPrice", BELONGS
    ),
    "stop with a minimum": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"minAmountOut":8'),
        "minAmountOut",
        "use limit or stopLimit",
    ),
    "stop at once": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"timeInForce":"ioc"'),
        "timeInForce",
        "wait for their trigger",
    ),
    "stop with no confirmation": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"confirmations":0'),
        "confirmations",
        "equal to 1",
    ),
    "stop by another name twice": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"stopPrice":8'),
        "stopPrice",
        "disagrees with it",
    ),
    "stop limit without a limit": BadOrder(
        describe_order('"type":"stopLimit","triggerPrice":9'),
        "limitPrice",
        "is required, or minAmountOut",
        "missing_field",
    ),
    "take profit then something": BadOrder(
        describe_order('"type":"takeProfit","triggerPrice":9,"then":"wait"'),
        "then",
        "limit, market",
    ),
    "take profit beyond 64 bits": BadOrder(
        describe_order('"type":"takeProfit","triggerPrice":"1e20"'), "triggerPrice", "64-bit"
    ),
    "trailing stop without a distance": BadOrder(
        describe_order('"type":"trailingStop"'), "trailBps", "is required", "missing_field"
    ),
    "trailing stop too close": BadOrder(
        describe_order('"type":"trailingStop","trailBps":49'), "trailBps", "equal to 50"
    ),
    "trailing stop too far": BadOrder(
        describe_order('"type":"trailingStop","trailBps":5001'), "trailBps", "equal to 5000"
    ),
    "price of another token": BadOrder(
        describe_order('"type":"limit","limitPrice":9,"priceOf":"SOL"'),
        "priceOf",
        "tokenIn, tokenOut",
    ),
    "twap without slices": BadOrder(
        describe_order('"type":"twap","intervalS":60'), "slices", "is required", "missing_field"
    ),
    "twap without an interval": BadOrder(
        describe_order('"type":"twap","slices":4'), "intervalS", "is required", "missing_field"
    ),
    "twap in one slice": BadOrder(
        describe_order('"type":"twap","slices":1,"intervalS":60'), "slices", "equal to 2"
    ),
    "twap in half a slice": BadOrder(
        describe_order('"type":"twap","slices":2.5,"intervalS":60'), "slices", "whole number"
    ),
    "twap of fewer base units than slices": BadOrder(
        describe_swap('"amount":"0.000000009","type":"twap","slices":10,"intervalS":60'),
        "slices",
        "more than the 9 base units",
    ),
    "twap without time": BadOrder(
        describe_order('"type":"twap","slices":4,"intervalS":0'), "intervalS", "equal to 1"
    ),
    "twap with too much jitter": BadOrder(
        describe_order('"type":"twap","slices":4,"intervalS":9,"jitterBps":5001'),
        "jitterBps",
        "equal to 5000",
    ),
    "twap at once": BadOrder(
        describe_order('"type":"twap","slices":4,"intervalS":9,"timeInForce":"fok"'),
        "timeInForce",
        "executed over time",
    ),
    "twap with a minimum": BadOrder(
        describe_order('"type":"twap","slices":4,"intervalS":9,"minAmountOut":8'),
        "minAmountOut",
        "give limitPrice",
    ),
    "twap at a limit beyond 64 bits": BadOrder(
        describe_order('"type":"twap","slices":4,"intervalS":9,"limitPrice":"1e20"'),
        "limitPrice",
        "64-bit",
    ),
    "slices of a market order": BadOrder(describe_order('"slices":4'), "slices", BELONGS),
    "name of a slice": BadOrder(
        describe_order('"clientOrderId":"twap:a:1"'), "clientOrderId", "must not begin with twap:"
    ),
    "trailing percentage": BadOrder(
        describe_order('"trailingPercent":5'), "trailingPercent", "trailBps", "unknown_field"
    ),
    "stop that its cap keeps from selling": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"maxPriceImpactBps":0'),
        "maxPriceImpactBps",
        "would never be sold",
    ),
    "market order that is strict": BadOrder(
        describe_order('"strict":true'), "strict", "wait for a price"
    ),
    "limit at once that is strict": BadOrder(
        describe_order('"type":"limit","limitPrice":9,"timeInForce":"ioc","strict":true'),
        "strict",
        "wait for a price",
    ),
    "strictness in words": BadOrder(
        describe_order('"type":"limit","limitPrice":9,"strict":"yes"'), "strict", "true or false"
    ),
    "type by another name": BadOrder(
        describe_order('"type":"stop_limit","triggerPrice":9'), "type", "did you mean stopLimit?"
    ),
    "type of another exchange": BadOrder(
        describe_order('"type":"STOP_LOSS","triggerPrice":9'), "type", "did you mean stop?"
    ),
    "stop loss as a field": BadOrder(
        describe_order('"stopLoss":9'), "stopLoss", "of type stop", "unknown_field"
    ),
    "take profit as a field": BadOrder(
        describe_order('"takeProfitPrice":9'),
        "takeProfitPrice",
        "of type takeProfit",
        "unknown_field",
    ),
    "price": BadOrder(describe_order('"price":5'), "price", "limitPrice", "unknown_field"),
    "group of a single order": BadOrder(
        describe_order('"ocoGroup":"a"'), "ocoGroup", "needs two orders: place both in one batch"
    ),
    "group without a name": BadOrder(
        describe_order('"ocoGroup":""'), "ocoGroup", "must be 1 to 64 printable ASCII characters"
    ),
    "bracket that is no object": BadOrder(
        describe_order('"bracket":[]'), "bracket", "must be a JSON object"
    ),
    "bracket of nothing": BadOrder(
        describe_order('"bracket":{}'), "bracket", "must have takeProfit, stop, or", "missing_field"
    ),
    "bracket of a stop": BadOrder(
        describe_order('"type":"stop","triggerPrice":9,"bracket":{"stop":{"triggerPrice":1}}'),
        "bracket",
        "belongs to orders of type limit, market, not to stop",
    ),
    "bracket with something": BadOrder(
        describe_order('"bracket":{"stop":{"triggerPrice":1},"limit":1}'),
        "bracket.limit",
        "is not a known field",
        "unknown_field",
    ),
    "bracket stop with something": BadOrder(
        describe_order('"bracket":{"stop":{"triggerPrice":1,"then":"limit"}}'),
        "bracket.stop.then",
        "is not a known field",
        "unknown_field",
    ),
    "bracket stop without a price": BadOrder(
        describe_order('"bracket":{"stop":{}}'),
        "bracket.stop.triggerPrice",
        "is required, or trailBps",
        "missing_field",
    ),
    "bracket stop that trails a price": BadOrder(
        describe_order('"bracket":{"stop":{"triggerPrice":1,"trailBps":100}}'),
        "bracket.stop.trailBps",
        "cannot go with triggerPrice",
    ),
    "bracket profit without a price": BadOrder(
        describe_order('"bracket":{"takeProfit":{"then":"market"}}'),
        "bracket.takeProfit.triggerPrice",
        "is required for takeProfit orders",
        "missing_field",
    ),
    "bracket profit of 0": BadOrder(
        describe_order('"bracket":{"takeProfit":{"triggerPrice":0}}'),
        "bracket.takeProfit.triggerPrice",
        "greater than 0",
    ),
    "bracket met by one price": BadOrder(
        describe_order('"bracket":{"takeProfit":{"triggerPrice":1},"stop":{"triggerPrice":1}}'),
        "bracket.takeProfit.triggerPrice",
        "must be above that of stop, 1: both sell",
    ),
    "bracket of a sale the wrong way round": BadOrder(
        describe_order(
            '"bracket":{"takeProfit":{"triggerPrice":130,"priceOf":"tokenOut"},'
            '"stop":{"triggerPrice":"90.5","priceOf":"tokenOut"}}'
        ),
        "bracket.takeProfit.triggerPrice",
        "must be below that of stop, 90.5: both sell",
    ),
}

BAD_SNIPERS = {
    "guard of a market order": BadOrder(
        describe_order('"maxFeeBps":100'), "maxFeeBps", "orders of type sniper, not to market"
    ),
    "limit price of a sniper": BadOrder(
        describe_order('"type":"Sniper","limitPrice":1'),
        "limitPrice",
        "orders of type limit, stopLimit, twap, not to sniper",
    ),
    "sniper that waits for nothing": BadOrder(
        describe_order('"type":"sniper","timeInForce":"fok"'), "timeInForce", "leave it out"
    ),
    "guard in words": BadOrder(
        describe_order('"type":"sniper","freezeAuthorityNone":"yes"'),
        "freezeAuthorityNone",
        "true or false",
    ),
    "guard above 100 %": BadOrder(
        describe_order('"type":"sniper","lpLockedMinBps":10001'),
        "lpLockedMinBps",
        "less than or equal",
    ),
    "liquidity of nothing": BadOrder(
        describe_order('"type":"sniper","minLiquidity":0'), "minLiquidity", "greater than 0"
    ),
    "no venue": BadOrder(describe_order('"type":"sniper","dexes":[]'), "dexes", "at least 1"),
    "unknown venue": BadOrder(
        describe_order('"type":"sniper","dexes":["orca"]'), "dexes", "is none of raydium, meteora"
    ),
    "too many looks": BadOrder(
        describe_order('"type":"sniper","looks":11'), "looks", "less than or equal"
    ),
}
