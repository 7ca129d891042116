"""Work that outlives the one who waits for it."""

from __future__ import annotations

import asyncio
import gc

from backend.domain.errors import Transient
from backend.runtime.background import shield


async def test_work_whose_waiter_left_ends_and_its_error_is_not_reported_by_the_loop() -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    may_end, has_ended = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        await may_end.wait()
        has_ended.set()
        raise Transient("unavailable", "nobody answers")

    waiting = shield(fail())
    await asyncio.sleep(0)
    waiting.cancel()
    may_end.set()
    await has_ended.wait()
    await asyncio.sleep(0)
    gc.collect()
    assert reports == []


async def test_work_that_was_shielded_again_is_not_reported_either() -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    may_end, has_ended = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        await may_end.wait()
        has_ended.set()
        raise Transient("unavailable", "nobody answers")

    work = shield(fail())
    waiting = asyncio.shield(work)
    await asyncio.sleep(0)
    waiting.cancel()
    may_end.set()
    await has_ended.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    del work, waiting
    gc.collect()
    assert reports == []
