"""Orders that must be refused: what is sent, and which field is told to be wrong, how.

As JSON text, because much of it could not be written as a Python value.
"""

from __future__ import annotations

from typing import NamedTuple


class BadOrder(NamedTuple):
    """``field`` and ``code`` of the first error, and words of its reason."""

    text: str
    field: str
    words: str
    code: str = "invalid_field"


def _with(members: str) -> str:
    return f'{{"tokenIn":"SOL","tokenOut":"USDC",{members}}}'


def _amount(number: str) -> str:
    return _with(f'"amount":{number}')


def _and(members: str) -> str:
    return _with(f'"amount":1,{members}')


_WHOLE = "must be a whole number"
_KNOWN = "is not a known field"
_NUMBER = "must be a decimal number"
_PRINTABLE = "must be 1 to 64 printable ASCII characters"
_SUPPORTED = "not supported yet"
_MINT = "is not a mint address"

BAD_ORDERS = {
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
    "both amounts": BadOrder(_and('"amountIn":1'), "amountIn", "another name of amount"),
    "unknown field": BadOrder(_and('"side":"buy"'), "side", _KNOWN, "unknown_field"),
    "field in snake case": BadOrder(
        '{"token_in":"SOL","tokenOut":"USDC","amount":1}', "token_in", _KNOWN, "unknown_field"
    ),
    "field with NUL": BadOrder(_and(r'"a\u0000b":1'), r"a\x00b", _KNOWN, "unknown_field"),
    "field with surrogate": BadOrder(_and(r'"\ud800":1'), r"\ud800", _KNOWN, "unknown_field"),
    "long field": BadOrder(_and(f'"{"x" * 5_000}":1'), "x" * 64, _KNOWN, "unknown_field"),
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
    "unknown mint": BadOrder(
        f'{{"tokenIn":"{"4" * 44}","tokenOut":"USDC","amount":1}}',
        "tokenIn",
        "no pool is known",
        "unknown_token",
    ),
    "mint that is none": BadOrder(
        f'{{"tokenIn":"{"0" * 44}","tokenOut":"USDC","amount":1}}', "tokenIn", _MINT, "invalid_mint"
    ),
    "mint too long": BadOrder(
        f'{{"tokenIn":"{"4" * 45}","tokenOut":"USDC","amount":1}}', "tokenIn", _MINT, "invalid_mint"
    ),
    "zero": BadOrder(_amount("0"), "amount", "must be greater than 0"),
    "zero as text": BadOrder(_amount('"0.000"'), "amount", "must be greater than 0"),
    "negative": BadOrder(_amount("-1.5"), "amount", "must be greater than 0"),
    "NaN": BadOrder(_amount("NaN"), "amount", "finite"),
    "NaN as text": BadOrder(_amount('"NaN"'), "amount", "finite"),
    "infinite": BadOrder(_amount("Infinity"), "amount", "finite"),
    "negative infinite": BadOrder(_amount("-Infinity"), "amount", "finite"),
    "huge exponent": BadOrder(_amount("1e400"), "amount", "out of range"),
    "huge exponent as text": BadOrder(_amount('"1e999999999"'), "amount", "out of range"),
    "tiny exponent": BadOrder(_amount("1e-400"), "amount", "out of range"),
    "endless exponent": BadOrder(_amount(f"1e{'9' * 30}"), "amount", _NUMBER),
    "endless integer": BadOrder(_amount("9" * 5_000), "amount", "at most 40 characters"),
    "endless decimals": BadOrder(_amount(f"0.{'1' * 5_000}"), "amount", "at most 40 characters"),
    "too many decimals": BadOrder(_amount('"0.0000000001"'), "amount", "more than 9 decimals"),
    "beyond 64 bits": BadOrder(_amount("18446744073.709551616"), "amount", "64-bit"),
    "word": BadOrder(_amount('"lots"'), "amount", _NUMBER),
    "underscore": BadOrder(_amount('"1_000"'), "amount", _NUMBER),
    "space": BadOrder(_amount('" 1"'), "amount", _NUMBER),
    "other digits": BadOrder(_amount('"\u0661"'), "amount", _NUMBER),
    "empty amount": BadOrder(_amount('""'), "amount", _NUMBER),
    "true": BadOrder(_amount("true"), "amount", _NUMBER),
    "list": BadOrder(_amount("[1]"), "amount", _NUMBER),
    "amountIn of zero": BadOrder(_with('"amountIn":0'), "amountIn", "must be greater than 0"),
    "minimum of zero": BadOrder(_and('"minAmountOut":"0"'), "minAmountOut", "greater than 0"),
    "minimum too fine": BadOrder(
        _and('"minAmountOut":"0.0000001"'), "minAmountOut", "more than 6 decimals"
    ),
    "slippage negative": BadOrder(_and('"slippageBps":-1'), "slippageBps", "greater than or equal"),
    "slippage above 10000": BadOrder(
        _and('"slippageBps":10001'), "slippageBps", "less than or equal"
    ),
    "slippage fractional": BadOrder(_and('"slippageBps":0.5'), "slippageBps", _WHOLE),
    "slippage as text": BadOrder(_and('"slippageBps":"50"'), "slippageBps", _WHOLE),
    "slippage true": BadOrder(_and('"slippageBps":true'), "slippageBps", _WHOLE),
    "slippage NaN": BadOrder(_and('"slippageBps":NaN'), "slippageBps", _WHOLE),
    "slippage endless": BadOrder(_and(f'"slippageBps":{"9" * 5_000}'), "slippageBps", _WHOLE),
    "unknown type": BadOrder(_and('"type":"stop"'), "type", "must be one of market"),
    "numeric type": BadOrder(_and('"type":1'), "type", "must be a string"),
    "limit": BadOrder(
        _and('"type":"limit","limitPrice":"99"'), "type", _SUPPORTED, "type_not_supported"
    ),
    "sniper": BadOrder(_and('"type":"Sniper"'), "type", _SUPPORTED, "type_not_supported"),
    "limit price of a market order": BadOrder(
        _and('"limitPrice":1'), "limitPrice", _SUPPORTED, "type_not_supported"
    ),
    "expiry of a market order": BadOrder(
        _and('"expiresAt":"2030-01-01T00:00:00Z"'), "expiresAt", _SUPPORTED, "type_not_supported"
    ),
    "empty name": BadOrder(_and('"clientOrderId":""'), "clientOrderId", _PRINTABLE),
    "long name": BadOrder(_and(f'"clientOrderId":"{"x" * 65}"'), "clientOrderId", _PRINTABLE),
    "name with NUL": BadOrder(_and(r'"clientOrderId":"a\u0000"'), "clientOrderId", _PRINTABLE),
    "name with newline": BadOrder(_and(r'"clientOrderId":"a\n"'), "clientOrderId", _PRINTABLE),
    "name with surrogate": BadOrder(_and(r'"clientOrderId":"\ud800"'), "clientOrderId", _PRINTABLE),
    "name in Cyrillic": BadOrder(_and('"clientOrderId":"\u0437"'), "clientOrderId", _PRINTABLE),
    "numeric name": BadOrder(_and('"clientOrderId":7'), "clientOrderId", _PRINTABLE),
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
    "nested deeply": b"[" * 100_000,
    "nested objects": b'{"a":' * 50_000,
    "not UTF-8": b'{"tokenIn":"\xff"}',
    "UTF-16": '{"tokenIn":"SOL"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b"\0",
}
"""Bodies that are no JSON at all."""
