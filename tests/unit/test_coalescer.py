"""The coalescer: each caller gets its own result, and callers share calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic, sleep
from typing import Any

import pytest

from backend.domain.errors import Transient
from backend.runtime.coalescer import Coalescer
from backend.runtime.loop_load import FULL_SHARE, SPARE_SHARE, WINDOW_S, LoopLoad, loop_load

BatchCall = Callable[[Sequence[int]], Awaitable[Sequence[int | Exception]]]


@asynccontextmanager
async def run_coalescer(call: BatchCall, **options: Any) -> AsyncIterator[Coalescer[int, int]]:
    coalescer: Coalescer[int, int] = Coalescer(call, **{"items_max": 100, **options})
    async with asyncio.TaskGroup() as group:
        task = group.create_task(coalescer.run())
        try:
            yield coalescer
        finally:
            task.cancel()


async def submit_all(coalescer: Coalescer[int, int], count: int) -> list[int]:
    return [await future for future in [coalescer.submit_nowait(number) for number in range(count)]]


async def test_items_that_are_submitted_together_share_a_call() -> None:
    calls: list[int] = []

    async def call(items: Sequence[int]) -> list[int]:
        calls.append(len(items))
        return [item * 2 for item in items]

    async with run_coalescer(call, items_max=60) as coalescer:
        assert await submit_all(coalescer, 100) == [2 * n for n in range(100)]
    assert calls == [60, 40]


async def test_an_error_among_the_results_is_raised_to_one_caller() -> None:
    async def call(items: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if item % 2 else item for item in items]

    async with run_coalescer(call) as coalescer:
        even, odd = coalescer.submit_nowait(2), coalescer.submit_nowait(3)
        assert await even == 2
        with pytest.raises(ValueError, match="odd"):
            await odd


async def test_an_error_of_the_call_is_raised_to_all_callers_and_the_next_call_runs() -> None:
    failures = [OSError("gone")]

    async def call(items: Sequence[int]) -> Sequence[int]:
        if failures:
            raise failures.pop()
        return items

    async with run_coalescer(call) as coalescer:
        for future in [coalescer.submit_nowait(1), coalescer.submit_nowait(2)]:
            with pytest.raises(OSError, match="gone"):
                await future
        assert await coalescer.submit(3) == 3


async def test_a_cancelled_caller_is_not_served() -> None:
    release = asyncio.Event()
    served: list[int] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        served.extend(items)
        await release.wait()
        return items

    async with run_coalescer(call) as coalescer:
        first = coalescer.submit_nowait(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancelled, last = coalescer.submit_nowait(2), coalescer.submit_nowait(3)
        cancelled.cancel()
        release.set()
        assert [await first, await last] == [1, 3]
    assert served == [1, 3]


async def test_a_second_call_starts_only_with_the_target_batch() -> None:
    release = asyncio.Event()
    calls: list[list[int]] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        calls.append(list(items))
        if len(calls) == 1:
            await release.wait()
        return items

    async with run_coalescer(call, calls_max=2, batch_target=3) as coalescer:
        first = coalescer.submit_nowait(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        few = [coalescer.submit_nowait(1), coalescer.submit_nowait(2)]
        await asyncio.sleep(0)
        assert calls == [[0]]
        enough = coalescer.submit_nowait(3)
        assert [await future for future in [*few, enough]] == [1, 2, 3]
        assert not first.done()
        release.set()
        assert await first == 0


@pytest.mark.looptime
async def test_calls_wait_for_company_only_under_load_and_after_one_that_was_shared() -> None:
    now = asyncio.get_running_loop().time
    started_at = now()
    calls: list[tuple[float, int]] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        calls.append((round(now() - started_at, 3), len(items)))
        return items

    async with run_coalescer(call, max_delay_s=4) as coalescer:
        with loop_load.fix_share(SPARE_SHARE):
            await submit_all(coalescer, 3)
            await submit_all(coalescer, 3)
        with loop_load.fix_share(FULL_SHARE):
            await coalescer.submit(1)
            await coalescer.submit(1)
            await submit_all(coalescer, 2)
            first = coalescer.submit_nowait(1)
            await asyncio.sleep(1)
            second = coalescer.submit_nowait(2)
            assert [await first, await second] == [1, 2]
        with loop_load.fix_share((SPARE_SHARE + FULL_SHARE) / 2):
            await coalescer.submit(1)
    assert calls == [(0, 3), (0, 3), (4, 1), (4, 1), (4, 2), (8, 2), (10, 1)]


@pytest.mark.looptime
async def test_a_call_that_nobody_waits_for_lingers_without_load() -> None:
    now = asyncio.get_running_loop().time
    calls: list[int] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        calls.append(len(items))
        return items

    async with run_coalescer(call, linger_s=5) as coalescer:
        started_at = now()
        with loop_load.fix_share(0):
            first = coalescer.submit_nowait(1)
            await asyncio.sleep(3)
            await coalescer.submit(2)
            assert first.done()
        assert (calls, now() - started_at) == ([2], 5)


@pytest.mark.looptime
async def test_calls_that_follow_closely_are_spaced_out_under_load_unless_they_are_full() -> None:
    now = asyncio.get_running_loop().time
    started_at = now()
    calls: list[tuple[float, list[int]]] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        calls.append((now() - started_at, list(items)))
        return items

    async with run_coalescer(call, items_max=3, min_interval_s=10) as coalescer:
        with loop_load.fix_share(FULL_SHARE):
            await coalescer.submit(1)
            await asyncio.sleep(3)
            early = coalescer.submit_nowait(2)
            await asyncio.sleep(1)
            assert [await coalescer.submit(3), await early] == [3, 2]
            assert calls == [(0, [1]), (10, [2, 3])]
            assert await submit_all(coalescer, 3) == [0, 1, 2]
            await asyncio.sleep(6)
            await coalescer.submit(4)
            assert calls[2:] == [(10, [0, 1, 2]), (16, [4])]
        with loop_load.fix_share(SPARE_SHARE):
            await coalescer.submit(5)
            assert calls[4:] == [(16, [5])]


def test_the_load_is_the_share_of_time_in_which_the_loop_works() -> None:
    load = LoopLoad()
    load.measure()
    until = monotonic() + 2 * WINDOW_S
    while monotonic() < until:
        pass
    assert load.measure() > 0.9
    sleep(2 * WINDOW_S)
    assert load.measure() < SPARE_SHARE
    assert load.scale(1.0) == 0


async def test_too_many_waiting_items_are_refused() -> None:
    async def call(items: Sequence[int]) -> Sequence[int]:
        return items

    coalescer: Coalescer[int, int] = Coalescer(call, items_max=1, waiting_max=2)
    coalescer.submit_nowait(1)
    coalescer.submit_nowait(2)
    with pytest.raises(Transient, match="overloaded"):
        coalescer.submit_nowait(3)


async def test_callers_that_still_wait_at_the_end_are_cancelled() -> None:
    async def call(items: Sequence[int]) -> Sequence[int]:
        await asyncio.Event().wait()
        return items

    async with run_coalescer(call, items_max=1) as coalescer:
        futures = [coalescer.submit_nowait(1), coalescer.submit_nowait(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert all(future.cancelled() for future in futures)


async def test_idle_means_that_nothing_waits_and_nothing_runs() -> None:
    release = asyncio.Event()

    async def call(items: Sequence[int]) -> Sequence[int]:
        await release.wait()
        return items

    async with run_coalescer(call) as coalescer:
        await coalescer.wait_idle()
        future = coalescer.submit_nowait(1)
        async with asyncio.TaskGroup() as group:
            wait_idle = group.create_task(coalescer.wait_idle())
            await asyncio.sleep(0)
            assert not wait_idle.done()
            release.set()
        assert future.done()
