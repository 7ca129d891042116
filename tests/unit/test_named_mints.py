"""Tokens that only their mint names, as orders, quotes and filters have them."""

from __future__ import annotations

from typing import Any

import pytest

from backend.api.wire.order_types.tokens import list_mints
from backend.api.wire.problems import FieldError, Problem
from backend.api.wire.request_schemas import read_order, read_quote
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput, Rejected
from backend.domain.tokens import SOL, USDC, WBTC, WETH, TokenRegistry

MINT = "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh"
OTHER = "7vfCXTUXx5WJV5JADk17DUJ4ksgau7utNKj4b963voxt"
TOKEN = Token(MINT, MINT, 3)
ORDER: dict[str, Any] = {"tokenIn": "SOL", "tokenOut": MINT, "amount": "1.5"}
TYPES: list[dict[str, Any]] = [
    {"type": "market"},
    {"type": "market", "timeInForce": "fok"},
    {"type": "limit", "limitPrice": "2"},
    {"type": "limit", "minAmountOut": "0.001"},
    {"type": "stop", "triggerPrice": "2"},
    {"type": "takeProfit", "triggerPrice": "2"},
    {"type": "stopLimit", "triggerPrice": "2", "limitPrice": "1"},
    {"type": "trailingStop", "trailBps": 50},
    {"type": "twap", "slices": 2, "intervalS": 60},
    {"type": "sniper"},
    {"bracket": {"stop": {"trailBps": 500}}},
]


def make_registry(*added: Token, added_max: int = 10) -> TokenRegistry:
    tokens = TokenRegistry(added_max=added_max)
    tokens.add(added)
    return tokens


def read_errors(order: dict[str, Any], refused: dict[str, Rejected]) -> list[FieldError]:
    with pytest.raises(Problem) as caught:
        read_order(order, make_registry(), 50, refused_mints=refused)
    return list(caught.value.errors)


@pytest.mark.parametrize("fields", TYPES)
def test_an_order_of_any_type_names_a_token_by_its_mint(fields: dict[str, Any]) -> None:
    tokens = make_registry(TOKEN)
    assert read_order({**ORDER, **fields}, tokens, 50).terms.token_out == TOKEN
    turned = {**ORDER, **fields, "tokenIn": MINT, "tokenOut": "usdc"}
    terms = read_order(turned, tokens, 50).terms
    assert (terms.token_in, terms.amount_in) == (TOKEN, 1_500)


@pytest.mark.parametrize("fields", TYPES)
def test_the_hash_of_a_request_is_that_of_its_tokens_however_they_are_named(
    fields: dict[str, Any],
) -> None:
    tokens = make_registry(TOKEN)
    for token_in, names in ((WBTC, ("WBTC", "btc", WBTC.mint)), (SOL, ("sol", "WSOL", SOL.mint))):
        hashes = {
            read_order({**ORDER, **fields, "tokenIn": name}, tokens, 50).request_hash
            for name in (token_in.symbol, *names)
        }
        assert len(hashes) == 1


def test_a_quote_names_a_token_by_its_mint() -> None:
    assert read_quote(ORDER, make_registry(TOKEN), 50).token_out == TOKEN
    refused = {MINT: Rejected("unsupported_mint", "has a hook")}
    with pytest.raises(Problem) as caught:
        read_quote(ORDER, make_registry(), 50, refused_mints=refused)
    assert caught.value.errors == [FieldError("tokenOut", "unsupported_mint", "has a hook")]


@pytest.mark.parametrize("fields", TYPES)
def test_why_a_mint_is_refused_is_the_error_of_its_field(fields: dict[str, Any]) -> None:
    refused = {MINT: Rejected("invalid_mint", "is none"), OTHER: Rejected("invalid_mint", "no")}
    meant = f"no: did you mean {WETH.mint}, which is WETH?"
    assert read_errors({**ORDER, **fields, "tokenIn": OTHER}, refused) == [
        FieldError("tokenIn", "invalid_mint", meant),
        FieldError("tokenOut", "invalid_mint", "is none"),
    ]


def test_a_token_is_not_swapped_for_itself() -> None:
    with pytest.raises(Problem) as caught:
        read_order({**ORDER, "tokenIn": MINT}, make_registry(TOKEN), 50)
    assert caught.value.code == "same_token"


def test_only_what_is_too_long_for_a_symbol_is_looked_up() -> None:
    orders = [
        {"tokenIn": "SOL", "tokenOut": MINT},
        {"tokenIn": USDC.mint, "tokenOut": 7},
        {"tokenIn": None},
        {"tokenOut": ["x" * 40]},
        "x" * 40,
        None,
        {"inputMint": MINT},
    ]
    assert list_mints(orders) == [MINT, USDC.mint]


def test_a_filter_by_a_mint_that_nobody_has_named_is_by_that_mint() -> None:
    tokens = make_registry(TOKEN)
    names = {"sol": "SOL", "wsol": "SOL", SOL.mint: "SOL", MINT: MINT, OTHER: OTHER}
    assert {name: tokens.find_name(name, "tokenIn") for name in names} == names
    for name, code in (("DOGE", "unknown_token"), ("1" * 44, "invalid_mint"), ("\ud800", None)):
        with pytest.raises(InvalidInput) as caught:
            tokens.find_name(name, "tokenIn")
        assert caught.value.code == code or code is None


def test_so_many_tokens_are_kept_in_mind_and_the_listed_ones_always() -> None:
    added = [Token(f"{MINT[:-1]}{letter}", f"{MINT[:-1]}{letter}", 3) for letter in "abcde"]
    tokens = make_registry(*added, added_max=3)
    assert [each.mint in tokens for each in added] == [False, False, True, True, True]
    assert "USDC" in tokens
