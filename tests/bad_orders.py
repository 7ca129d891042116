"""Orders that must be refused, each with the field, the code and the reason of its error.

As JSON text, because many of them have no equivalent Python value.
"""

from __future__ import annotations

from tests.bad_conditions import (
    BAD_CONDITIONS,
    BAD_SNIPERS,
    DECIMAL_NUMBER,
    BadOrder,
    describe_amount,
    describe_order,
    describe_swap,
)
from tests.bad_routes import BAD_ROUTES

_WHOLE_NUMBER = "must be a whole number"
_UNKNOWN_FIELD = "is not a known field"
_PRINTABLE = "must be 1 to 64 printable ASCII characters"
_TIME_WITH_ZONE = "must be a time with its zone"
_NOT_A_MINT = "is not a mint address"

BAD_ORDERS = {
    **BAD_CONDITIONS,
    **BAD_SNIPERS,
    **BAD_ROUTES,
    "nothing": BadOrder("{}", "tokenIn", "is required", "missing_field"),
    "no token in": BadOrder(
        '{"tokenOut":"USDC","amount":1}', "tokenIn", "is required", "missing_field"
    ),
    "no token out": BadOrder(
        '{"tokenIn":"SOL","amount":1}', "tokenOut", "is required", "missing_field"
    ),
    "null token": BadOrder(
        '{"tokenIn":null,"tokenOut":"USDC","amount":1}', "tokenIn", "is required", "missing_field"
    ),
    "no amount": BadOrder(
        '{"tokenIn":"SOL","tokenOut":"USDC"}', "amount", "is required", "missing_field"
    ),
    "share of nothing": BadOrder(describe_amount('"0%"'), "amount", "from 0.01% to 100%"),
    "share above all": BadOrder(describe_amount('"100.001%"'), "amount", "at most two decimals"),
    "share in capitals": BadOrder(describe_amount('"ALL"'), "amount", 'must be "all"'),
    "two amounts": BadOrder(describe_order('"amountIn":2'), "amountIn", "disagrees with it"),
    "two types": BadOrder(
        describe_order('"type":"market","orderType":"limit"'), "orderType", "disagrees with it"
    ),
    "two slippages": BadOrder(
        describe_order('"slippageBps":50,"slippage":0.01'), "slippage", "disagrees with it"
    ),
    "slippage of 1": BadOrder(describe_order('"slippage":1'), "slippage", "1 % or 100 %"),
    "slippage of 0.5": BadOrder(describe_order('"slippage":0.5'), "slippage", "0.5 % or 50 %"),
    "slippage of 50 as text": BadOrder(
        describe_order('"slippage":"50"'), "slippage", "slippageBps"
    ),
    "fraction below 0": BadOrder(
        describe_order('"slippage":-0.01'), "slippage", "from 0 to below 0.5"
    ),
    "fraction too fine": BadOrder(
        describe_order('"slippage":0.00125'), "slippage", "whole basis points"
    ),
    "fraction in words": BadOrder(describe_order('"slippage":"1%"'), "slippage", DECIMAL_NUMBER),
    "fraction with exponent": BadOrder(
        describe_order('"slippage":"1e-2"'), "slippage", "plain decimal"
    ),
    "fraction true": BadOrder(describe_order('"slippage":true'), "slippage", DECIMAL_NUMBER),
    "fraction NaN": BadOrder(describe_order('"slippage":NaN'), "slippage", "finite"),
    "orderType that is none": BadOrder(
        describe_order('"orderType":"oco"'), "orderType", "must be one of"
    ),
    "unknown field": BadOrder(
        describe_order('"side":"buy"'), "side", _UNKNOWN_FIELD, "unknown_field"
    ),
    "field in snake case": BadOrder(
        '{"token_in":"SOL","tokenOut":"USDC","amount":1}',
        "token_in",
        "did you mean tokenIn?",
        "unknown_field",
    ),
    "tolerance": BadOrder(
        describe_order('"slippageTolerance":0.01'),
        "slippageTolerance",
        "slippageBps, in basis points",
        "unknown_field",
    ),
    "wallet": BadOrder(
        describe_order('"walletAddress":"7xKX"'),
        "walletAddress",
        "wallet of the engine",
        "unknown_field",
    ),
    "user": BadOrder(
        describe_order('"userId":"u-1"'), "userId", "owner of the API key", "unknown_field"
    ),
    "mints with an amount": BadOrder(
        '{"inputMint":"SOL","tokenOut":"USDC","amount":1000000}',
        "inputMint",
        "not in base units",
        "unknown_field",
    ),
    "field with NUL": BadOrder(
        describe_order(r'"a\u0000b":1'), r"a\x00b", _UNKNOWN_FIELD, "unknown_field"
    ),
    "field with surrogate": BadOrder(
        describe_order(r'"\ud800":1'), r"\ud800", _UNKNOWN_FIELD, "unknown_field"
    ),
    "long field": BadOrder(
        describe_order(f'"{"x" * 5_000}":1'), "x" * 64, _UNKNOWN_FIELD, "unknown_field"
    ),
    "same token": BadOrder(
        '{"tokenIn":"SOL","tokenOut":"sol","amount":1}', "tokenOut", "the same token", "same_token"
    ),
    "same token by mint": BadOrder(
        '{"tokenIn":"SOL","tokenOut":"So11111111111111111111111111111111111111112","amount":1}',
        "tokenOut",
        "the same token",
        "same_token",
    ),
    "unknown token": BadOrder(
        '{"tokenIn":"DOGE","tokenOut":"USDC","amount":1}', "tokenIn", "DOGE", "unknown_token"
    ),
    "empty token": BadOrder(
        '{"tokenIn":"","tokenOut":"USDC","amount":1}', "tokenIn", "unknown", "unknown_token"
    ),
    "token with NUL": BadOrder(
        r'{"tokenIn":"SOL\u0000","tokenOut":"USDC","amount":1}', "tokenIn", "x00", "unknown_token"
    ),
    "token with surrogate": BadOrder(
        r'{"tokenIn":"\ud800","tokenOut":"USDC","amount":1}', "tokenIn", "ud800", "unknown_token"
    ),
    "numeric token": BadOrder(
        '{"tokenIn":7,"tokenOut":"USDC","amount":1}', "tokenIn", "must be a string"
    ),
    "misspelt token": BadOrder(
        '{"tokenIn":"SOL","tokenOut":"USCD","amount":1}',
        "tokenOut",
        "did you mean USDC?",
        "unknown_token",
    ),
    "misspelt mint": BadOrder(
        '{"tokenIn":"So11111111111111111111111111111111111112","tokenOut":"USDC","amount":1}',
        "tokenIn",
        "did you mean So11111111111111111111111111111111111111112",
        "invalid_mint",
    ),
    "mint that is none": BadOrder(
        f'{{"tokenIn":"{"0" * 44}","tokenOut":"USDC","amount":1}}',
        "tokenIn",
        _NOT_A_MINT,
        "invalid_mint",
    ),
    "mint too long": BadOrder(
        f'{{"tokenIn":"{"4" * 45}","tokenOut":"USDC","amount":1}}',
        "tokenIn",
        _NOT_A_MINT,
        "invalid_mint",
    ),
    "zero": BadOrder(describe_amount("0"), "amount", "must be greater than 0"),
    "zero as text": BadOrder(describe_amount('"0.000"'), "amount", "must be greater than 0"),
    "negative": BadOrder(describe_amount("-1.5"), "amount", "must be greater than 0"),
    "NaN": BadOrder(describe_amount("NaN"), "amount", "finite"),
    "NaN as text": BadOrder(describe_amount('"NaN"'), "amount", "finite"),
    "infinite": BadOrder(describe_amount("Infinity"), "amount", "finite"),
    "negative infinite": BadOrder(describe_amount("-Infinity"), "amount", "finite"),
    "huge exponent": BadOrder(describe_amount("1e400"), "amount", "out of range"),
    "huge exponent as text": BadOrder(describe_amount('"1e999999999"'), "amount", "out of range"),
    "tiny exponent": BadOrder(describe_amount("1e-400"), "amount", "out of range"),
    "endless exponent": BadOrder(describe_amount(f"1e{'9' * 30}"), "amount", DECIMAL_NUMBER),
    "endless integer": BadOrder(describe_amount("9" * 5_000), "amount", "at most 40 characters"),
    "endless decimals": BadOrder(
        describe_amount(f"0.{'1' * 5_000}"), "amount", "at most 40 characters"
    ),
    "too many decimals": BadOrder(
        describe_amount('"0.0000000001"'), "amount", "more than 9 decimals"
    ),
    "beyond 64 bits": BadOrder(describe_amount("18446744073.709551616"), "amount", "64-bit"),
    "word": BadOrder(describe_amount('"lots"'), "amount", DECIMAL_NUMBER),
    "underscore": BadOrder(describe_amount('"1_000"'), "amount", DECIMAL_NUMBER),
    "space": BadOrder(describe_amount('" 1"'), "amount", DECIMAL_NUMBER),
    "other digits": BadOrder(describe_amount('"\u0661"'), "amount", DECIMAL_NUMBER),
    "empty amount": BadOrder(describe_amount('""'), "amount", DECIMAL_NUMBER),
    "true": BadOrder(describe_amount("true"), "amount", DECIMAL_NUMBER),
    "list": BadOrder(describe_amount("[1]"), "amount", DECIMAL_NUMBER),
    "amountIn of zero": BadOrder(
        describe_swap('"amountIn":0'), "amountIn", "must be greater than 0"
    ),
    "minimum of zero": BadOrder(
        describe_order('"minAmountOut":"0"'), "minAmountOut", "greater than 0"
    ),
    "minimum too fine": BadOrder(
        describe_order('"minAmountOut":"0.0000001"'),
        "minAmountOut",
        "more than 6 decimals",
    ),
    "slippage negative": BadOrder(
        describe_order('"slippageBps":-1'), "slippageBps", "greater than or equal"
    ),
    "slippage above 10000": BadOrder(
        describe_order('"slippageBps":10001'), "slippageBps", "less than or equal"
    ),
    "slippage fractional": BadOrder(
        describe_order('"slippageBps":0.5'), "slippageBps", _WHOLE_NUMBER
    ),
    "slippage as text": BadOrder(
        describe_order('"slippageBps":"50"'), "slippageBps", _WHOLE_NUMBER
    ),
    "slippage true": BadOrder(describe_order('"slippageBps":true'), "slippageBps", _WHOLE_NUMBER),
    "slippage NaN": BadOrder(describe_order('"slippageBps":NaN'), "slippageBps", _WHOLE_NUMBER),
    "slippage endless": BadOrder(
        describe_order(f'"slippageBps":{"9" * 5_000}'), "slippageBps", _WHOLE_NUMBER
    ),
    "unknown type": BadOrder(
        describe_order('"type":"oco"'), "type", "must be one of market, limit, stop"
    ),
    "numeric type": BadOrder(describe_order('"type":1'), "type", "must be a string"),
    "limit price of a market order": BadOrder(
        describe_order('"limitPrice":1'),
        "limitPrice",
        "orders of type limit, stopLimit, twap, not to market",
    ),
    "expiry without a zone": BadOrder(
        describe_order('"expiresAt":"2030-01-01T00:00:00"'), "expiresAt", _TIME_WITH_ZONE
    ),
    "expiry that is a date": BadOrder(
        describe_order('"expiresAt":"2030-01-01"'), "expiresAt", _TIME_WITH_ZONE
    ),
    "expiry on no day": BadOrder(
        describe_order('"expiresAt":"2030-02-30T00:00:00Z"'), "expiresAt", "no time of the calendar"
    ),
    "expiry at the end of time": BadOrder(
        describe_order('"expiresAt":"9999-12-31T23:59:59-23:59"'),
        "expiresAt",
        "no time of the calendar",
    ),
    "expiry as a number": BadOrder(
        describe_order('"expiresAt":1893456000'), "expiresAt", "a string"
    ),
    "time in force that is none": BadOrder(
        describe_order('"timeInForce":"day"'), "timeInForce", "must be one of gtc, gtd, ioc, fok"
    ),
    "numeric time in force": BadOrder(describe_order('"timeInForce":1'), "timeInForce", "a string"),
    "good till no date": BadOrder(
        describe_order('"timeInForce":"GTD"'), "expiresAt", "required where", "missing_field"
    ),
    "good till cancelled with an expiry": BadOrder(
        describe_order('"timeInForce":"gtc","expiresAt":"2030-01-01T00:00:00Z"'),
        "timeInForce",
        "does not expire",
    ),
    "empty name": BadOrder(describe_order('"clientOrderId":""'), "clientOrderId", _PRINTABLE),
    "long name": BadOrder(
        describe_order(f'"clientOrderId":"{"x" * 65}"'), "clientOrderId", _PRINTABLE
    ),
    "name with NUL": BadOrder(
        describe_order(r'"clientOrderId":"a\u0000"'), "clientOrderId", _PRINTABLE
    ),
    "name with newline": BadOrder(
        describe_order(r'"clientOrderId":"a\n"'), "clientOrderId", _PRINTABLE
    ),
    "name with surrogate": BadOrder(
        describe_order(r'"clientOrderId":"\ud800"'), "clientOrderId", _PRINTABLE
    ),
    "name in Cyrillic": BadOrder(
        describe_order('"clientOrderId":"\u0437"'), "clientOrderId", _PRINTABLE
    ),
    "numeric name": BadOrder(describe_order('"clientOrderId":7'), "clientOrderId", _PRINTABLE),
    "array": BadOrder("[]", "", "must be a JSON object", "not_an_object"),
    "null": BadOrder("null", "", "must be a JSON object", "not_an_object"),
    "string": BadOrder('"order"', "", "must be a JSON object", "not_an_object"),
}

BAD_JSON = {
    "empty": b"",
    "blank": b"  ",
    "no JSON": b"tokenIn=SOL",
    "cut off": b'{"tokenIn":"SOL"',
    "two values": b"{} {}",
    "same key twice": b'{"amount":1,"amount":2}',
    "nested deeply": b"[" * 60_000,
    "nested objects": b'{"a":' * 12_000,
    "not UTF-8": b'{"tokenIn":"\xff"}',
    "UTF-16": '{"tokenIn":"SOL"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"tokenIn":"SOL"}'.encode("utf-16-le"),
    "UTF-32": '{"tokenIn":"SOL"}'.encode("utf-32"),
    "nothing but a byte order mark": b"\xef\xbb\xbf",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "NUL": b"\0",
}
"""Bodies that are not JSON."""
