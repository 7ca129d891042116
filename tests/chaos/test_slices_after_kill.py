"""A TWAP order while everything is killed between its slices: each is placed once, none is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.engine import run_engine
from tests.chaos.test_waiting_after_kill import place_order, read_events, wait_for

SETTINGS = {"trigger_lease_s": "1"}
TWAP = {"type": "twap", "slices": 3, "intervalS": 1, "jitterBps": 2_000, "amount": "1.000000007"}
PLACED = "SELECT slices_placed >= {} FROM orders WHERE type = 'twap'"
KILLED = ("worker-1", "api", "valkey", "postgres")


@pytest.mark.long
async def test_slices_are_placed_once_while_everything_is_killed_between_them(
    data_dir: Path,
) -> None:
    async with run_engine(data_dir, **SETTINGS) as (system, session):
        order_id = await place_order(session, **TWAP)
        await system.units["worker-1"].start()
        for placed in (1, 2):
            await wait_for(system, PLACED.format(placed))
            for name in KILLED:
                await system.units[name].kill()
            for name in reversed(KILLED):
                await system.units[name].start()
        events = await read_events(session, order_id)
        assert [event["status"] for event in events] == [
            "pending",
            *["waiting"] * 4,
            "confirmed",
        ]
        assert [event["slice"] for event in events[2:-1]] == [1, 2, 3]
        assert (events[-1]["filledAmountIn"], events[-1]["leavesAmountIn"]) == ("1.000000007", "0")
        async with session.get(f"/api/orders?parentId={order_id}&order=asc") as response:
            slices = (await response.json())["orders"]
        assert [each["orderId"] for each in slices] == [each["childId"] for each in events[2:-1]]
        assert {each["status"] for each in slices} == {"confirmed"}
