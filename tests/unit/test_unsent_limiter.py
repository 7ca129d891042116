"""The limit on orders that are started and not sent yet."""

from __future__ import annotations

import asyncio

from backend.execution.unsent_limiter import UnsentLimiter


async def test_there_is_capacity_again_when_an_order_was_sent_or_has_ended() -> None:
    limiter = UnsentLimiter(2)
    await limiter.wait_for_capacity()
    async with asyncio.TaskGroup() as group:
        with limiter.count_order():
            with limiter.count_order() as place:
                waiting = group.create_task(limiter.wait_for_capacity())
                await asyncio.sleep(0)
                assert not waiting.done()
                place.give_back()
                place.give_back()
                await waiting
                with limiter.count_order():
                    second = group.create_task(limiter.wait_for_capacity())
                    await asyncio.sleep(0)
                    assert not second.done()
                await second
            await limiter.wait_for_capacity()
