"""Suggestions for names that nobody knows."""

from __future__ import annotations

import pytest

from backend.domain.spelling import add_suggestion, suggest_name

FIELDS = ("tokenIn", "tokenOut", "amount", "slippageBps", "type", "clientOrderId", "USDC", "USDT")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("token_in", "tokenIn"),
        ("TOKENOUT", "tokenOut"),
        ("client-order-id", "clientOrderId"),
        ("tokenInn", "tokenIn"),
        ("ammount", "amount"),
        ("slipageBps", "slippageBps"),
        ("tpye", "type"),
        ("USCD", "USDC"),
    ],
)
def test_a_misspelt_name_suggests_the_name_that_was_meant(name: str, meant: str) -> None:
    assert suggest_name(name, FIELDS) == meant


@pytest.mark.parametrize("name", ["", "zzz", "memo", "a" * 10_000, "\ud800", "tokenIn" * 20])
def test_a_name_like_no_other_suggests_nothing(name: str) -> None:
    assert suggest_name(name, FIELDS) is None


def test_a_reason_names_what_was_meant_only_where_something_was() -> None:
    assert add_suggestion("is unknown", "amonut", FIELDS) == "is unknown: did you mean amount?"
    assert add_suggestion("is unknown", "memo", FIELDS) == "is unknown"
