"""The coalescer: each caller gets its own result, and callers share calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from backend.domain.errors import Transient
from backend.runtime.coalescer import BUSY_ITEMS, Coalescer

BatchCall = Callable[[Sequence[int]], Awaitable[Sequence[int | Exception]]]


@asynccontextmanager
async def run_coalescer(call: BatchCall, **options: int) -> AsyncIterator[Coalescer[int, int]]:
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


async def test_a_busy_coalescer_delays_its_calls_and_an_idle_one_does_not() -> None:
    calls: list[int] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        calls.append(len(items))
        return items

    coalescer: Coalescer[int, int] = Coalescer(call, items_max=100, max_delay_s=0.05)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(coalescer.run())
        for number in range(2):
            await coalescer.submit(number)
        assert calls == [1, 1]
        await submit_all(coalescer, BUSY_ITEMS)
        first = coalescer.submit_nowait(1)
        await asyncio.sleep(0.01)
        assert not first.done()
        second = coalescer.submit_nowait(2)
        assert [await first, await second] == [1, 2]
        assert calls == [1, 1, BUSY_ITEMS, 2]
        running.cancel()


@pytest.mark.looptime
async def test_calls_that_follow_closely_are_spaced_out_unless_they_are_full() -> None:
    now = asyncio.get_running_loop().time
    started_at = now()
    calls: list[tuple[float, list[int]]] = []

    async def call(items: Sequence[int]) -> Sequence[int]:
        calls.append((now() - started_at, list(items)))
        return items

    coalescer: Coalescer[int, int] = Coalescer(call, items_max=3, min_interval_s=10)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(coalescer.run())
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
        running.cancel()


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
