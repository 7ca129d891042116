"""Coalescing: everybody gets the answer to their own question, and calls are shared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from backend.domain.errors import Transient
from backend.runtime.coalescer import BUSY_ITEMS, Coalescer

Act = Callable[[Sequence[int]], Awaitable[Sequence[int | Exception]]]


@asynccontextmanager
async def running(act: Act, **options: int) -> AsyncIterator[Coalescer[int, int]]:
    coalescer: Coalescer[int, int] = Coalescer(act, **{"items_max": 100, **options})
    async with asyncio.TaskGroup() as group:
        task = group.create_task(coalescer.run())
        try:
            yield coalescer
        finally:
            task.cancel()


async def ask_all(coalescer: Coalescer[int, int], count: int) -> list[int]:
    return [await future for future in [coalescer.put(number) for number in range(count)]]


async def test_those_who_ask_together_share_a_call() -> None:
    calls: list[int] = []

    async def act(items: Sequence[int]) -> list[int]:
        calls.append(len(items))
        return [item * 2 for item in items]

    async with running(act, items_max=60) as coalescer:
        assert await ask_all(coalescer, 100) == [2 * n for n in range(100)]
    assert calls == [60, 40]


async def test_an_error_among_the_answers_belongs_to_one_asker() -> None:
    async def act(items: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if item % 2 else item for item in items]

    async with running(act) as coalescer:
        even, odd = coalescer.put(2), coalescer.put(3)
        assert await even == 2
        with pytest.raises(ValueError, match="odd"):
            await odd


async def test_an_error_of_the_call_belongs_to_all_and_the_next_call_is_made() -> None:
    failures = [OSError("gone")]

    async def act(items: Sequence[int]) -> Sequence[int]:
        if failures:
            raise failures.pop()
        return items

    async with running(act) as coalescer:
        for future in [coalescer.put(1), coalescer.put(2)]:
            with pytest.raises(OSError, match="gone"):
                await future
        assert await coalescer.ask(3) == 3


async def test_whoever_gave_up_is_not_served() -> None:
    gate = asyncio.Event()
    served: list[int] = []

    async def act(items: Sequence[int]) -> Sequence[int]:
        served.extend(items)
        await gate.wait()
        return items

    async with running(act) as coalescer:
        first = coalescer.put(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        given_up, last = coalescer.put(2), coalescer.put(3)
        given_up.cancel()
        gate.set()
        assert [await first, await last] == [1, 3]
    assert served == [1, 3]


async def test_a_second_call_starts_only_with_company() -> None:
    gate = asyncio.Event()
    calls: list[list[int]] = []

    async def act(items: Sequence[int]) -> Sequence[int]:
        calls.append(list(items))
        if len(calls) == 1:
            await gate.wait()
        return items

    async with running(act, calls_max=2, company=3) as coalescer:
        first = coalescer.put(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        few = [coalescer.put(1), coalescer.put(2)]
        await asyncio.sleep(0)
        assert calls == [[0]]
        enough = coalescer.put(3)
        assert [await future for future in [*few, enough]] == [1, 2, 3]
        assert not first.done()
        gate.set()
        assert await first == 0


async def test_a_busy_coalescer_waits_for_company_and_an_idle_one_does_not() -> None:
    calls: list[int] = []

    async def act(items: Sequence[int]) -> Sequence[int]:
        calls.append(len(items))
        return items

    coalescer: Coalescer[int, int] = Coalescer(act, items_max=100, linger_s=0.05)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(coalescer.run())
        for number in range(2):
            await coalescer.ask(number)
        assert calls == [1, 1]
        await ask_all(coalescer, BUSY_ITEMS)
        first = coalescer.put(1)
        await asyncio.sleep(0.01)
        assert not first.done()
        second = coalescer.put(2)
        assert [await first, await second] == [1, 2]
        assert calls == [1, 1, BUSY_ITEMS, 2]
        running.cancel()


@pytest.mark.looptime
async def test_calls_that_follow_closely_are_kept_apart_unless_they_are_full() -> None:
    now = asyncio.get_running_loop().time
    began = now()
    calls: list[tuple[float, list[int]]] = []

    async def act(items: Sequence[int]) -> Sequence[int]:
        calls.append((now() - began, list(items)))
        return items

    coalescer: Coalescer[int, int] = Coalescer(act, items_max=3, apart_s=10)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(coalescer.run())
        await coalescer.ask(1)
        await asyncio.sleep(3)
        early = coalescer.put(2)
        await asyncio.sleep(1)
        assert [await coalescer.ask(3), await early] == [3, 2]
        assert calls == [(0, [1]), (10, [2, 3])]
        assert await ask_all(coalescer, 3) == [0, 1, 2]
        await asyncio.sleep(6)
        await coalescer.ask(4)
        assert calls[2:] == [(10, [0, 1, 2]), (16, [4])]
        running.cancel()


async def test_too_many_waiters_are_turned_away() -> None:
    async def act(items: Sequence[int]) -> Sequence[int]:
        return items

    coalescer: Coalescer[int, int] = Coalescer(act, items_max=1, waiting_max=2)
    coalescer.put(1)
    coalescer.put(2)
    with pytest.raises(Transient, match="overloaded"):
        coalescer.put(3)


async def test_whoever_still_waits_at_the_end_is_cancelled() -> None:
    async def act(items: Sequence[int]) -> Sequence[int]:
        await asyncio.Event().wait()
        return items

    async with running(act, items_max=1) as coalescer:
        futures = [coalescer.put(1), coalescer.put(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert all(future.cancelled() for future in futures)


async def test_idle_means_that_nothing_waits_and_nothing_runs() -> None:
    gate = asyncio.Event()

    async def act(items: Sequence[int]) -> Sequence[int]:
        await gate.wait()
        return items

    async with running(act) as coalescer:
        await coalescer.idle()
        future = coalescer.put(1)
        async with asyncio.TaskGroup() as group:
            idle = group.create_task(coalescer.idle())
            await asyncio.sleep(0)
            assert not idle.done()
            gate.set()
        assert future.done()
