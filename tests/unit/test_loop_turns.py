"""Turns of the event loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from backend.runtime.loop_turns import LoopTurns

CALLERS = 20


async def test_what_is_ready_runs_between_two_turns() -> None:
    turns, ran = LoopTurns(), list[str]()

    async def take_turn() -> None:
        await turns.take()
        ran.append("turn")

    async def run_always() -> None:
        while ran.count("turn") < CALLERS:
            ran.append("other")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(take_turn())
        group.create_task(run_always())

    assert ran.count("turn") == CALLERS
    assert ("turn", "turn") not in pairwise(ran)


async def test_turns_are_taken_in_the_order_of_their_callers() -> None:
    turns, ran = LoopTurns(), list[int]()

    async def take_turn(number: int) -> None:
        await turns.take()
        ran.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(take_turn(number))

    assert ran == list(range(CALLERS))
