"""The limits of a node, configured or learned: calls wait for them, and orders end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from backend.chain.rpc.call_limiter import CallLimiter, CallLimits, CallPostponed
from backend.chain.rpc.errors import ReadFailure, SendOutcomeUnknown
from backend.chain.rpc.load_signals import LoadSignal
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from tests.integration.handler_node import Handler
from tests.integration.test_rpc import make_transaction, respond_status, run_node

Json = Any
TIP = {"result": {"absoluteSlot": 7, "blockHeight": 5}}


def refuse_first(refusals: int, refusal: Mapping[str, Any], requests: list[str]) -> Handler:
    """A node that refuses its first requests, and answers those that follow."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        call = await request.json()
        requests.append(call["method"])
        if len(requests) > refusals:
            return web.json_response({"id": 0, **TIP})
        body = refusal.get("json")
        return web.json_response(
            body, status=refusal.get("status", 200), headers=refusal.get("headers")
        )

    return handle


def error(code: int, message: str, **data: Json) -> Json:
    return {"json": {"id": 0, "error": {"code": code, "message": message, "data": data}}}


PAUSES: list[Mapping[str, Any]] = [
    {"status": 429, "headers": {"Retry-After": "0.1"}},
    {"status": 429},
    {"status": 503, "headers": {"Retry-After": "0.1"}},
    {"status": 429, "headers": {"X-RateLimit-Reset": "0.1", "X-RateLimit-Remaining": "0"}},
    error(429, "Too many requests for a specific RPC call"),
    error(-32429, "rate limited", retry_after=0.1),
    error(-32005, "Too Many Requests: rate limit exceeded"),
    error(-32005, "request count exceeded, rate limited", rate={"backoff_seconds": 0.1}),
    error(-32000, "Your app has exceeded its throughput limit", try_again_in="0.1s"),
    error(-32603, "request throttled"),
    {"json": {"id": 0, "error": "rate limited"}},
]  # fmt: skip


@pytest.mark.parametrize("refusal", PAUSES, ids=str)
async def test_a_call_refused_for_load_is_repeated_after_a_short_pause(
    refusal: Mapping[str, Any],
) -> None:
    requests: list[str] = []
    async with run_node(refuse_first(1, refusal, requests), wait_max_s=5) as rpc:
        assert (await rpc.get_epoch_info(Commitment.CONFIRMED)).slot == 7
    assert len(requests) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        error(-32005, "Node is behind by 42 slots"),
        error(-32602, "too many inputs"),
        {"status": 503},
    ],
    ids=str,
)
async def test_what_is_not_for_load_does_not_pause_the_node(refusal: Mapping[str, Any]) -> None:
    requests: list[str] = []
    async with run_node(refuse_first(1, refusal, requests)) as rpc:
        with pytest.raises(EngineError):
            await rpc.get_epoch_info(Commitment.CONFIRMED)
        assert (await rpc.get_epoch_info(Commitment.CONFIRMED)).slot == 7
    assert len(requests) == 2


async def test_nothing_is_sent_while_the_node_asks_for_a_pause() -> None:
    requests: list[str] = []
    refusal = {"status": 429, "headers": {"Retry-After": "30"}}
    async with run_node(refuse_first(1, refusal, requests)) as rpc:
        with pytest.raises(ReadFailure) as refused:
            await rpc.get_genesis_hash()
        with pytest.raises(CallPostponed) as postponed:
            await rpc.get_epoch_info(Commitment.CONFIRMED)
        sent = await rpc.send_transactions([make_transaction(n)[1] for n in (1, 2)])

    assert requests == ["getGenesisHash"]
    assert refused.value.retry_after_s == pytest.approx(30)
    for failure in (postponed.value, *sent):
        assert isinstance(failure, ReadFailure | SendOutcomeUnknown)
        assert 0 < (failure.retry_after_s or 0) <= 30


async def test_a_used_up_quota_pauses_the_calls_before_one_is_refused() -> None:
    for names in (
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"},
        {"X-RateLimit-RPS-Remaining": "0", "Retry-After": "30"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "30"},
        {"RateLimit": '"default";r=0;t=30'},
    ):

        async def handle(_: web.BaseRequest, names: Mapping[str, str] = names) -> web.Response:
            return web.json_response({"id": 0, **TIP}, headers=names)

        async with run_node(handle) as rpc:
            await rpc.get_epoch_info(Commitment.CONFIRMED)
            with pytest.raises(CallPostponed) as postponed:
                await rpc.get_genesis_hash()
        assert 29 < (postponed.value.retry_after_s or 0) <= 30


async def test_a_used_up_quota_of_a_method_does_not_pause_others() -> None:
    headers = {"x-ratelimit-method-remaining": "0", "x-ratelimit-method-reset": "30"}

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.json_response({"id": 0, "result": "hash"}, headers=headers)

    async with run_node(handle) as rpc:
        await rpc.get_genesis_hash()
        with pytest.raises(CallPostponed):
            await rpc.get_genesis_hash()
        with pytest.raises(ReadFailure, match="malformed"):
            await rpc.get_epoch_info(Commitment.CONFIRMED)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "30"},
        {"x-ratelimit-remaining": "unknown"},
        {"x-ratelimit-conn-remaining": "0"},
        {"x-ratelimit-limit": "0"},
        {"RateLimit": '"default";r=10;t=30'},
    ],
    ids=str,
)
async def test_a_quota_with_something_left_pauses_nothing(headers: Mapping[str, str]) -> None:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.json_response({"id": 0, "result": "hash"}, headers=headers)

    async with run_node(handle) as rpc:
        assert [await rpc.get_genesis_hash() for _ in range(3)] == ["hash"] * 3


async def test_waiting_for_the_limiter_is_no_timeout_of_the_node() -> None:
    requests: list[str] = []
    refusal = {"status": 429, "headers": {"Retry-After": "1.1"}}
    async with run_node(refuse_first(1, refusal, requests), timeout_s=1, wait_max_s=10) as rpc:
        assert (await rpc.get_epoch_info(Commitment.CONFIRMED)).slot == 7


async def test_a_date_of_retry_after_is_taken_relative_to_the_nodes_own_clock() -> None:
    headers = {
        "Date": "Fri, 21 Nov 1986 08:00:00 GMT",
        "Retry-After": "Fri, 21 Nov 1986 08:00:07 GMT",
    }
    async with run_node(respond_status(429, **headers)) as rpc:
        with pytest.raises(ReadFailure) as refused:
            await rpc.get_genesis_hash()
    assert refused.value.retry_after_s == pytest.approx(7)


async def test_a_configured_rate_counts_each_call_of_an_array() -> None:
    now = 100.0
    limiter = CallLimiter(CallLimits(per_s=10), wait_max_s=0, clock=lambda: now)

    assert await limiter.acquire("sendTransaction", 5) == 0
    with pytest.raises(CallPostponed) as postponed:
        await limiter.acquire("getBalance", 1)
    assert postponed.value.retry_after_s == pytest.approx(0.5)
    now += 0.5
    assert await limiter.acquire("getBalance", 1) == 0


async def test_a_configured_rate_of_a_method_leaves_others_alone() -> None:
    limiter = CallLimiter(CallLimits(per_s_of_method=1), wait_max_s=0, clock=lambda: 100.0)

    await limiter.acquire("getBalance", 1)
    with pytest.raises(CallPostponed):
        await limiter.acquire("getBalance", 1)
    assert await limiter.acquire("sendTransaction", 1) == 0


async def test_scarce_calls_go_to_sends_before_reads_and_to_reads_before_polls() -> None:
    for backlog, served in (
        (1, ["sendTransaction", "getBalance", "getSignatureStatuses"]),
        (5, ["sendTransaction", "getBalance"]),
        (9, ["sendTransaction"]),
        (11, []),
    ):
        got = []
        for method in ("getSignatureStatuses", "getBalance", "sendTransaction"):
            limiter = CallLimiter(CallLimits(per_s=100), wait_max_s=0.1, clock=lambda: 100.0)
            await limiter.acquire("getEpochInfo", backlog)
            try:
                async with asyncio.timeout(60):
                    await limiter.acquire(method, 1)
                got.append(method)
            except CallPostponed:
                pass
        assert got == [*reversed(served)]


async def test_polls_that_never_got_a_call_get_the_next_one() -> None:
    now = 100.0
    limiter = CallLimiter(CallLimits(per_s=1_000), wait_max_s=0.004, clock=lambda: now)

    got_at = None
    for step in range(2_000):  # sends take whatever there is
        for method in ("sendTransaction", "getSignatureStatuses"):
            try:
                await limiter.acquire(method, 4)
            except CallPostponed:
                continue
            if method == "getSignatureStatuses":
                got_at = step
        if got_at is not None:
            break
        now += 0.001
    assert got_at is not None


async def test_a_refused_method_is_limited_alone_if_the_node_says_so() -> None:
    limiter = CallLimiter(CallLimits(), wait_max_s=0)
    assert not limiter.is_engaged

    limiter.refuse("getBalance", LoadSignal(5, is_of_method=True), 0.0, 0.0)

    assert limiter.is_engaged
    with pytest.raises(CallPostponed):
        await limiter.acquire("getBalance", 1)
    assert await limiter.acquire("sendTransaction", 1) == 0


async def test_a_limiter_that_has_recovered_costs_nothing_again() -> None:
    now = 100.0
    limiter = CallLimiter(CallLimits(), wait_max_s=1, clock=lambda: now)
    limiter.refuse("getBalance", LoadSignal(1, is_of_method=False), now, 0.0)
    assert limiter.is_engaged

    now += 600
    await limiter.acquire("getBalance", 1)

    assert not limiter.is_engaged
