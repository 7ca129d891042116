"""Halts trading while orders run, as a person does, and checks that nothing was submitted then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from backend.domain.errors import Transient
from backend.domain.trading.states import ALL_ORDERS, TradingState
from backend.store.audit_log.entries import Actor
from backend.store.database import DatabasePool, open_pool
from backend.store.trading.changes import StateChange, lift_state, set_state
from backend.trials.chaos.fault_kinds import Fault
from backend.trials.chaos.injection.node_control import FaultNotApplied
from backend.trials.chaos.system import EngineSystem

_RETRY_S: Final = 0.1
_ACTOR: Final = Actor("chaos")
_READ_TIME: Final = "SELECT clock_timestamp()"
_COUNT_SUBMITTED: Final = """
SELECT count(*) FROM order_events WHERE status = 'submitted' AND at > $1
"""


@asynccontextmanager
async def halt_trading(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Halt trading for the duration of the block.

    Raises ``FaultNotApplied`` if it cannot be halted, and ``AssertionError`` if an order was
    submitted after the halt was answered.
    """
    change = StateChange(ALL_ORDERS, TradingState.HALTED, "a chaos run")
    async with open_pool(system.database_url, connections_max=1) as pool:
        try:
            await set_state(pool, change, _ACTOR)
            [answered] = await pool.read(_READ_TIME)
        except Transient as error:
            raise FaultNotApplied(error.reason) from error
        try:
            yield
            [late] = await pool.read(_COUNT_SUBMITTED, answered["clock_timestamp"])
            assert not late["count"], f"{late['count']} orders were submitted while halted"
        finally:
            await _resume(pool)


async def _resume(pool: DatabasePool) -> None:
    while True:
        try:
            await lift_state(pool, ALL_ORDERS, _ACTOR)
        except Transient:  # PostgreSQL is killed: the halt stays until it is back
            await asyncio.sleep(_RETRY_S)
        else:
            return
