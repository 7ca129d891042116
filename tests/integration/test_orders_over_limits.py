"""Orders over nodes that refuse arrays or limit calls: each ends, and what landed is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from backend.config import Profile
from backend.simulator.options import SimulatorOptions
from tests.integration.limiting_proxy import (
    ArrayPolicy,
    LimitingProxy,
    RatePolicy,
    by_changing,
    by_closing,
    by_cutting,
    by_error,
    by_status,
    run_limiting_proxy,
)
from tests.processes import wait_until
from tests.scenario import HAPPY_PATH, EngineHarness, OrderHistory, open_engine


@asynccontextmanager
async def open_limited_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    rate: RatePolicy | None = None,
    options: SimulatorOptions | None = None,
) -> AsyncIterator[tuple[EngineHarness, LimitingProxy]]:
    """An engine whose node limits the rate of its calls, and the proxy that does so."""
    proxies: list[LimitingProxy] = []

    @asynccontextmanager
    async def open_proxy(node_url: str) -> AsyncIterator[str]:
        async with run_limiting_proxy(node_url, rate=rate) as proxy:
            proxies.append(proxy)
            yield proxy.url

    async with open_engine(
        database_url, redis_url, data_dir, options=options, proxied=open_proxy
    ) as engine:
        yield engine, proxies[0]


@pytest.mark.parametrize(
    "policy",
    [
        ArrayPolicy(by_status(403)),
        ArrayPolicy(by_closing),
        ArrayPolicy(by_cutting),
        ArrayPolicy(by_changing(lambda elements: elements[1:])),
        ArrayPolicy(by_error(-32600, "Invalid request"), methods=frozenset({"getTransaction"})),
        ArrayPolicy(by_status(413), size_max=2),
    ],
)
async def test_orders_end_and_are_told_over_a_node_that_refuses_arrays(
    database_url: str, redis_url: str, data_dir: Path, policy: ArrayPolicy
) -> None:
    @asynccontextmanager
    async def open_proxy(node_url: str) -> AsyncIterator[str]:
        async with run_limiting_proxy(node_url, arrays=policy) as proxy:
            yield proxy.url

    async with open_engine(
        database_url, redis_url, data_dir, proxied=open_proxy, settings={"resend_s": 0.1}
    ) as engine:
        ids = []
        for _ in range(3):
            ids += await engine.place_orders(*[engine.build_terms("1")] * 3)
        histories = await engine.wait_all_ended(ids)

        assert [history.statuses for history in histories] == [HAPPY_PATH] * 9
        told = {history.record.tx_hash for history in histories}
        assert told == set(await engine.read_swaps())


def list_attempts(histories: Sequence[OrderHistory]) -> set[tuple[str, int]]:
    return {(each.statuses[-1], each.record.attempts) for each in histories}


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {}], ids=str)
async def test_a_node_that_refuses_every_call_for_three_seconds_costs_no_order(
    database_url: str, redis_url: str, data_dir: Path, headers: dict[str, str]
) -> None:
    loop = asyncio.get_running_loop()
    async with open_limited_engine(database_url, redis_url, data_dir) as (engine, proxy):
        proxy.rate, began = RatePolicy(0, 0, window_s=1, headers=headers), loop.time()
        ids = await engine.place_orders(*[engine.build_terms("1")] * 8)
        await wait_until(lambda: bool(proxy.limited) and loop.time() - began >= 3)
        refused, proxy.rate = len(proxy.limited), None
        histories = await engine.wait_all_ended(ids)
        assert list_attempts(histories) == {("confirmed", 1)}
        assert {each.record.tx_hash for each in histories} == set(await engine.read_swaps())
        assert refused < 40, "the pauses that it asks for are kept to"


@pytest.mark.long
async def test_twenty_orders_at_once_end_over_a_node_that_takes_ten_calls_a_second(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    # 150 blocks last ten minutes: no blockhash expires on a busy machine.
    options = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False, slot_s=4)
    async with open_limited_engine(database_url, redis_url, data_dir, options=options) as opened:
        engine, proxy = opened
        proxy.rate = RatePolicy(10, 10, window_s=1)
        ids = await engine.place_orders(*[engine.build_terms("1")] * 20)
        histories = await engine.wait_all_ended(ids)
        proxy.rate = None
        assert list_attempts(histories) == {("confirmed", 1)}
        assert {each.record.tx_hash for each in histories} == set(await engine.read_swaps())


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {}], ids=str)
async def test_orders_end_confirmed_over_a_node_with_the_limits_of_a_public_one(
    database_url: str, redis_url: str, data_dir: Path, headers: dict[str, str]
) -> None:
    """60 orders at 4 a second, 100 calls in 10 s, 40 of a method: half of it, ten times as fast."""
    policy = RatePolicy(50, 20, window_s=1, headers=headers)
    async with open_limited_engine(database_url, redis_url, data_dir, policy) as (engine, proxy):
        ids: list[UUID] = []
        async with asyncio.TaskGroup() as tasks:
            for n in range(60):
                tasks.create_task(_place_later(engine, n / 40, ids))
        histories = await engine.wait_all_ended(ids)
        swaps = await engine.read_swaps()

    assert [history.statuses[-1] for history in histories] == ["confirmed"] * 60
    assert {history.record.tx_hash for history in histories} == set(swaps)
    assert proxy.limited  # it did refuse, and much less often than it was asked
    assert len(proxy.limited) < len(proxy.sizes) / 5


async def _place_later(engine: EngineHarness, after_s: float, ids: list[UUID]) -> None:
    await asyncio.sleep(after_s)
    ids += await engine.place_orders(engine.build_terms("1"))
