"""The documents and the API accept the same orders and describe the same events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from backend.api.application.route_table import ROUTES, SOCKETS
from backend.api.documents.openapi import build_openapi
from backend.api.wire.json import decode
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import read_order
from backend.domain.tokens import TokenRegistry
from tests.bad_orders import BAD_ORDERS

Json = dict[str, Any]

STATIC = Path(__file__).parent.parent.parent / "static"
OPENAPI = cast(Json, json.loads(json.dumps(build_openapi(ROUTES, SOCKETS, 1_000))))
ASYNCAPI: Json = yaml.safe_load((STATIC / "asyncapi.yaml").read_text())
TOKENS = TokenRegistry()
UNDOCUMENTED_CODES = ("unknown_token", "invalid_mint", "same_token")
"""No schema can say which tokens exist."""
UNDOCUMENTED_WORDS = (
    "takes whole exchanges as dexes",
    *("decimals", "64-bit", "out of range", "must be a decimal number of at most"),
    *("disagrees with it", "whole basis points", "no time of the calendar"),
    *("which does not expire", "is required where timeInForce", "wait for their trigger"),
    *(
        "belongs to orders",
        "is required for",
        "is required, or minAmountOut",
        "contradicts limitPrice",
    ),
    *("use limit or stopLimit", "would never be sold"),
    *("give limitPrice", "base units of the amount"),
    "executed over time",
    *("must have takeProfit", "is required, or trailBps", "cannot go with triggerPrice"),
    *("that of stop, ", "needs two orders"),
    *("(32 bytes in base58)", "no program is left to swap in", "a maxHops of 1, and maxHops is"),
)
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


def is_documented(value: object) -> bool:
    """Whether both documents allow an order; they have to agree."""
    schema = {"$ref": "#/components/schemas/OrderBody", "components": OPENAPI["components"]}
    is_valid = Draft202012Validator(schema).is_valid(value)
    schema = {"$ref": "#/components/schemas/order", "components": ASYNCAPI["components"]}
    assert Draft7Validator(schema).is_valid(value) == is_valid
    return is_valid


def read_problem(text: str) -> Problem | None:
    try:
        read_order(decode(text), TOKENS, 50)
    except Problem as problem:
        return problem
    return None


def is_undocumented(problem: Problem) -> bool:
    return all(
        error.code in UNDOCUMENTED_CODES
        or any(words in error.reason for words in UNDOCUMENTED_WORDS)
        for error in problem.errors
    )


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 20_000),
    st.decimals(-3, 3, places=2).map(float),
    st.sampled_from(
        ["", "0", "0.00", "-1", "+2.5", "1e2", ".5", "5.", "1_0", "0.01", "0.5", "x", "SOL", "usdc"]
    ),
    st.sampled_from(["gtc", "gtd", "ioc", "2030-01-01", "2030-01-01T00:00+01:00"]),
    st.sampled_from(["sniper", True, ["raydium"], ["orca"], [], ["raydium/clmm", "meteora"]]),
    st.sampled_from(["market", "limit", "twap", "2030-01-01T00:00:00Z"]),
    st.sampled_from(["twap:1", "x" * 64, "x" * 65, "\u0437"]),
)
NAMES = (
    *("tokenIn", "tokenOut", "amount", "amountIn", "minAmountOut", "slippageBps", "type"),
    *("limitPrice", "timeInForce", "expiresAt", "clientOrderId", "orderType", "slippage", "other"),
    *("triggerPrice", "stopPrice", "activationPrice", "priceOf", "trailBps", "confirmations"),
    *("then", "strict", "slices", "intervalS", "jitterBps", "bracket", "ocoGroup"),
    *("minLiquidity", "mintAuthorityRevoked", "freezeAuthorityNone", "maxFeeBps", "looks"),
    *("maxTransferFeeBps", "lpLockedMinBps", "maxPoolAgeS", "dexes"),
    *("excludeDexes", "pools", "maxLegs", "maxHops", "onlyDirect"),
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), st.sets(st.sampled_from(NAMES)))
def test_an_order_is_taken_if_and_only_if_the_documents_allow_it(
    changed: Mapping[str, object], left_out: set[str]
) -> None:
    order = {**{name: each for name, each in ORDER.items() if name not in left_out}, **changed}
    problem = read_problem(json.dumps(order))
    if problem is None or not is_undocumented(problem):
        assert is_documented(order) == (problem is None), problem


@pytest.mark.parametrize("name", ["tokenIn", "tokenOut", "amount"])
def test_what_is_required_may_not_be_null(name: str) -> None:
    order = {**ORDER, name: None}
    assert not is_documented(order)
    assert read_problem(json.dumps(order)) is not None


@pytest.mark.parametrize("name", sorted(set(NAMES) - {*ORDER, "other"}))
def test_what_may_be_left_out_may_be_null(name: str) -> None:
    order = {**ORDER, name: None}
    assert is_documented(order)
    assert read_problem(json.dumps(order)) is None


# In Python, unlike in JSON Schema, ``$`` also matches before a final newline.
UNTESTABLE = {"name with newline"}


@pytest.mark.parametrize("name", sorted(BAD_ORDERS.keys() - UNTESTABLE))
def test_the_documents_refuse_what_the_api_refuses(name: str) -> None:
    text = BAD_ORDERS[name].text
    problem = read_problem(text)
    assert problem is not None
    try:
        value = json.loads(text)
        assert json.dumps(value, allow_nan=False)
    except ValueError:  # no JSON, or more digits than Python reads
        return
    assert not is_documented(value) or is_undocumented(problem)


def simplify_schema(schema: object, document: Json) -> object:
    """A schema with references resolved, without descriptions, its lists sorted."""
    if isinstance(schema, list):
        return sorted((simplify_schema(each, document) for each in schema), key=repr)
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        node: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        return simplify_schema(node, document)
    names = sorted(schema.keys() - {"description"})
    return {name: simplify_schema(schema[name], document) for name in names}


@pytest.mark.parametrize(
    ("name", "async_name"), [("Event", "event"), ("Hello", "hello"), ("Queued", "queued")]
)
def test_both_documents_know_the_same_messages(name: str, async_name: str) -> None:
    openapi_schema = simplify_schema(OPENAPI["components"]["schemas"][name], OPENAPI)
    assert openapi_schema == simplify_schema(
        ASYNCAPI["components"]["schemas"][async_name], ASYNCAPI
    )
