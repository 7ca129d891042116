"""The words of a filter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.wire import BEGAN_MS, CONFIRMED, event, life
from tui.model.filters import BadFilter, Filter, complete
from tui.model.orders import Order

NOW_MS = BEGAN_MS + 10_000


def order(statuses: tuple[str, ...] = CONFIRMED, **terms: Any) -> Order:
    made = Order(life(0xABC, statuses)[0]["orderId"])
    for each in life(0xABC, statuses, **terms):
        made.apply(each)
    return made


DONE = order(batchId="00-3FA9", clientOrderId="Hedge-7")
FAILED = order(("pending", "routing", "failed"), tokenIn="USDC", tokenOut="JUP", amountIn="250.5")
WAITING = order(("pending",))


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
    which = Filter.parse(text)
    assert {each for each in (DONE, FAILED, WAITING) if which.matches(each, NOW_MS)} == matching


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
def test_a_word_that_means_nothing_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(BadFilter, match=reason):
        Filter.parse(text)


def test_switched_statuses_and_words_add_up() -> None:
    which = Filter.parse("pair:JUP").toggled("failed").toggled("pending")
    assert [each for each in (DONE, FAILED, WAITING) if which.matches(each, NOW_MS)] == [FAILED]
    assert str(which) == "status:pending,failed pair:JUP"
    assert which.toggled("failed").toggled("pending").statuses == frozenset()


@pytest.mark.parametrize(
    ("text", "heeds_time"), [(">1s", True), ("!<800ms", True), ("status:failed x", False)]
)
def test_a_filter_knows_whether_time_alone_changes_it(text: str, heeds_time: bool) -> None:
    assert Filter.parse(text).heeds_time is heeds_time


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
    assert complete(text) == whole


@given(st.text(max_size=30))
def test_no_text_breaks_a_filter(text: str) -> None:
    try:
        which = Filter.parse(text)
    except BadFilter:
        return
    assert which.matches(DONE, NOW_MS) in {True, False}


@given(st.lists(st.sampled_from(["status:failed", "!side:sell", "pair:SOL", "<1s", "no_pool"])))
def test_a_filter_matches_what_each_of_its_words_matches(words: list[str]) -> None:
    together = Filter.parse(" ".join(words))
    for each in (DONE, FAILED, WAITING):
        one_by_one = all(Filter.parse(word).matches(each, NOW_MS) for word in words)
        assert together.matches(each, NOW_MS) is one_by_one


def test_a_retried_order_is_found_by_the_reason_of_its_retry() -> None:
    retried = order(("pending", "routing"))
    retried.apply(event(0xABC, 3, "routing", 300, attempt=2, code="slippage", reason="moved"))
    assert Filter.parse("code:slippage attempts>1").matches(retried, NOW_MS)
