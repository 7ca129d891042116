"""How many orders are begun at once."""

from __future__ import annotations

import asyncio

from backend.execution.unsent_limiter import Unsent


async def test_there_is_room_again_when_one_was_sent_or_has_ended() -> None:
    unsent = Unsent(2)
    await unsent.room()
    async with asyncio.TaskGroup() as group:
        with unsent.one():
            with unsent.one() as sent:
                waiting = group.create_task(unsent.room())
                await asyncio.sleep(0)
                assert not waiting.done()
                sent()
                sent()
                await waiting
                with unsent.one():
                    again = group.create_task(unsent.room())
                    await asyncio.sleep(0)
                    assert not again.done()
                await again
            await unsent.room()
