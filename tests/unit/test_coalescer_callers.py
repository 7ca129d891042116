"""Callers of a coalescer who do not wait for their results."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

from backend.domain.errors import Transient
from backend.runtime.coalescer import Coalescer


async def test_an_error_that_nobody_waits_for_is_not_reported_by_the_loop() -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    async def fail(items: Sequence[int]) -> list[None]:
        raise Transient("unavailable", "nobody answers")

    coalescer: Coalescer[int, None] = Coalescer(fail, items_max=10)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(coalescer.run())
        coalescer.submit_nowait(1)
        await coalescer.wait_idle()
        run.cancel()
    gc.collect()
    assert reports == []
