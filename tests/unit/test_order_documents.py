"""The documents and the API judge the same orders alike, and tell of the same events."""

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

from backend.api.documents.openapi import document
from backend.api.server.route_table import ROUTES, SOCKETS
from backend.api.wire.json import decode
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import read_order
from backend.domain.tokens import Tokens
from tests.bad_orders import BAD_ORDERS

Json = dict[str, Any]

STATIC = Path(__file__).parent.parent.parent / "static"
OPEN = cast(Json, json.loads(json.dumps(document(ROUTES, SOCKETS, 1_000))))
ASYNC: Json = yaml.safe_load((STATIC / "asyncapi.yaml").read_text())
TOKENS = Tokens()
UNTOLD = ("unknown_token", "invalid_mint", "same_token", "type_not_supported")
"""Which tokens there are, and what is supported so far, no schema says."""
UNTOLD_WORDS = ("decimals", "64-bit", "out of range", "must be a decimal number of at most")
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


def documented(value: object) -> bool:
    """Whether an order is what both documents say; they have to agree."""
    schema = {"$ref": "#/components/schemas/OrderBody", "components": OPEN["components"]}
    found = Draft202012Validator(schema).is_valid(value)
    schema = {"$ref": "#/components/schemas/order", "components": ASYNC["components"]}
    assert Draft7Validator(schema).is_valid(value) == found
    return found


def refusal(text: str) -> Problem | None:
    try:
        read_order(decode(text), TOKENS, 50)
    except Problem as problem:
        return problem
    return None


def is_untold(problem: Problem) -> bool:
    return all(
        error.code in UNTOLD or any(words in error.reason for words in UNTOLD_WORDS)
        for error in problem.errors
    )


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 20_000),
    st.decimals(-3, 3, places=2).map(float),
    st.sampled_from(["", "0", "0.00", "-1", "+2.5", "1e2", ".5", "5.", "1_0", "x", "SOL", "usdc"]),
    st.sampled_from(["market", "limit", "2030-01-01T00:00:00Z", "x" * 64, "x" * 65, "\u0437"]),
)
NAMES = (
    *("tokenIn", "tokenOut", "amount", "amountIn", "minAmountOut", "slippageBps", "type"),
    *("limitPrice", "expiresAt", "clientOrderId", "other"),
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), st.sets(st.sampled_from(NAMES)))
def test_an_order_is_taken_if_and_only_if_the_documents_allow_it(
    changed: Mapping[str, object], left_out: set[str]
) -> None:
    order = {**{name: each for name, each in ORDER.items() if name not in left_out}, **changed}
    problem = refusal(json.dumps(order))
    if problem is None or not is_untold(problem):
        assert documented(order) == (problem is None), problem


@pytest.mark.parametrize("name", ["tokenIn", "tokenOut", "amount"])
def test_what_is_required_may_not_be_null(name: str) -> None:
    order = {**ORDER, name: None}
    assert not documented(order)
    assert refusal(json.dumps(order)) is not None


@pytest.mark.parametrize("name", sorted(set(NAMES) - {*ORDER, "other"}))
def test_what_may_be_left_out_may_be_null(name: str) -> None:
    order = {**ORDER, name: None}
    assert documented(order)
    assert refusal(json.dumps(order)) is None


# To Python, other than to JSON Schema, ``$`` is also what stands before a last newline.
NOT_HERE = {"name with newline"}


@pytest.mark.parametrize("name", sorted(BAD_ORDERS.keys() - NOT_HERE))
def test_the_documents_refuse_what_the_api_refuses(name: str) -> None:
    text = BAD_ORDERS[name].text
    problem = refusal(text)
    assert problem is not None
    try:
        value = json.loads(text)
        assert json.dumps(value, allow_nan=False)
    except ValueError:  # no JSON, or more digits than Python reads
        return
    assert not documented(value) or is_untold(problem)


def plain(schema: object, document: Json) -> object:
    """A schema without references, descriptions and the order of its parts."""
    if isinstance(schema, list):
        return sorted((plain(each, document) for each in schema), key=repr)
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        node: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        return plain(node, document)
    names = sorted(schema.keys() - {"description"})
    return {name: plain(schema[name], document) for name in names}


@pytest.mark.parametrize(
    ("told", "streamed"), [("Event", "event"), ("Hello", "hello"), ("Queued", "queued")]
)
def test_both_documents_know_the_same_messages(told: str, streamed: str) -> None:
    of_requests = plain(OPEN["components"]["schemas"][told], OPEN)
    assert of_requests == plain(ASYNC["components"]["schemas"][streamed], ASYNC)
