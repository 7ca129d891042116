"""Work that outlives the one who waits for it."""

from __future__ import annotations

import asyncio
import gc

from backend.domain.errors import Transient
from backend.runtime.background import shield


class FailingWork:
    """Work that fails when it may end."""

    def __init__(self) -> None:
        self.may_end, self.has_ended = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        await self.may_end.wait()
        self.has_ended.set()
        raise Transient("unavailable", "nobody answers")


def collect_reports() -> list[object]:
    """What the loop reports from now on."""
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    return reports


async def test_work_whose_waiter_left_ends_and_its_error_is_not_reported_by_the_loop() -> None:
    reports, work = collect_reports(), FailingWork()
    waiting = shield(work.run())
    await asyncio.sleep(0)
    waiting.cancel()
    work.may_end.set()
    await work.has_ended.wait()
    await asyncio.sleep(0)
    gc.collect()
    assert reports == []


async def test_work_that_was_shielded_again_is_not_reported_either() -> None:
    reports, work = collect_reports(), FailingWork()
    shielded = shield(work.run())
    waiting = asyncio.shield(shielded)
    await asyncio.sleep(0)
    waiting.cancel()
    work.may_end.set()
    await work.has_ended.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    del shielded, waiting
    gc.collect()
    assert reports == []
