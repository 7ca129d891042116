"""The filter language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.wire import CONFIRMED, START_MS, order_event, order_events
from tui.model.filters import InvalidFilter, OrderFilter, complete_filter
from tui.model.orders import Order

NOW_MS = START_MS + 10_000


def make_order(statuses: tuple[str, ...] = CONFIRMED, **terms: Any) -> Order:
    order = Order(order_events(0xABC, statuses)[0]["orderId"])
    for each in order_events(0xABC, statuses, **terms):
        order.apply_event(each)
    return order


DONE = make_order(batchId="00-3FA9", clientOrderId="Hedge-7")
FAILED = make_order(
    ("pending", "routing", "failed"), tokenIn="USDC", tokenOut="JUP", amountIn="250.5"
)
WAITING = make_order(("pending",))


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("", {DONE, FAILED, WAITING}),
        ("status:failed", {FAILED}),
        ("status:failed,pending", {FAILED, WAITING}),
        ("status:conf", {DONE}),
        ("dex:meteora", {DONE}),
        ("!dex:meteora", {FAILED, WAITING}),
        ("pair:SOL", {DONE, WAITING}),
        ("pair:jup/usdc side:buy", {FAILED}),
        ("side:sell type:market", {DONE, WAITING}),
        ("batch:3fa9", {DONE}),
        ("code:no_pool", {FAILED}),
        ("hedge", {DONE}),
        ("tokens", {FAILED}),
        ("SIGNATURE", {DONE}),
        ("id:abc", {DONE, FAILED, WAITING}),
        (">1s", {WAITING}),
        ("<=400ms", {DONE, FAILED}),
        (">0.1m", {WAITING}),
        ("amount>100", {FAILED}),
        ("amount<=1", {DONE, WAITING}),
        ("bps<0", {DONE}),
        ("gap>=100", {DONE}),
        ("attempts>1", set()),
        ("status:failed !code:no_pool", set()),
    ],
)
def test_a_filter_matches(text: str, matching: set[Order]) -> None:
    order_filter = OrderFilter.parse(text)
    assert {
        each for each in (DONE, FAILED, WAITING) if order_filter.matches(each, NOW_MS)
    } == matching


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("colour:red", "colour: is not a field"),
        ("status:done", "done is not a status"),
        ("status:", "status: needs a value"),
        (">fast", "write a time as"),
        ("!", "! stands before"),
    ],
)
def test_an_invalid_word_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidFilter, match=reason):
        OrderFilter.parse(text)


def test_switched_statuses_and_words_must_all_match() -> None:
    order_filter = (
        OrderFilter.parse("pair:JUP").with_status_toggled("failed").with_status_toggled("pending")
    )
    assert [each for each in (DONE, FAILED, WAITING) if order_filter.matches(each, NOW_MS)] == [
        FAILED
    ]
    assert str(order_filter) == "status:pending,failed pair:JUP"
    assert (
        order_filter.with_status_toggled("failed").with_status_toggled("pending").statuses
        == frozenset()
    )


@pytest.mark.parametrize(
    ("text", "is_time_dependent"), [(">1s", True), ("!<800ms", True), ("status:failed x", False)]
)
def test_a_filter_knows_whether_time_alone_changes_it(text: str, is_time_dependent: bool) -> None:
    assert OrderFilter.parse(text).is_time_dependent is is_time_dependent


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("sta", "status:pending"),
        ("pair:SOL status:f", "pair:SOL status:failed"),
        ("!dex:r", "!dex:raydium"),
        ("zzz", None),
        ("", None),
        ("dex:raydium", None),
    ],
)
def test_the_last_word_is_completed(text: str, whole: str | None) -> None:
    assert complete_filter(text) == whole


@given(st.text(max_size=30))
def test_no_text_breaks_a_filter(text: str) -> None:
    try:
        order_filter = OrderFilter.parse(text)
    except InvalidFilter:
        return
    assert order_filter.matches(DONE, NOW_MS) in {True, False}


@given(st.lists(st.sampled_from(["status:failed", "!side:sell", "pair:SOL", "<1s", "no_pool"])))
def test_a_filter_matches_what_each_of_its_words_matches(words: list[str]) -> None:
    combined = OrderFilter.parse(" ".join(words))
    for each in (DONE, FAILED, WAITING):
        matches_each = all(OrderFilter.parse(word).matches(each, NOW_MS) for word in words)
        assert combined.matches(each, NOW_MS) is matches_each


def test_a_retried_order_is_found_by_the_reason_of_its_retry() -> None:
    retried = make_order(("pending", "routing"))
    retried.apply_event(
        order_event(0xABC, 3, "routing", 300, attempt=2, code="slippage", reason="moved")
    )
    assert OrderFilter.parse("code:slippage attempts>1").matches(retried, NOW_MS)
