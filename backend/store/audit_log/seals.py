"""Seals: entries of the audit log with a hash of the events of orders since the last one.

So what became of orders is part of the chain, and no order waits for it: an entry for each event
would put all commits in a row, as each entry has the hash of the one before it.
"""

from __future__ import annotations

import asyncio
from random import Random
from time import perf_counter
from typing import Final

from backend.store.database import DatabasePool, fetch_repeating
from backend.store.errors import DATABASE_ERRORS
from backend.store.trading import observe_trading

EVENTS_MAX: Final = 2_000
"""About so many events are sealed at once; more follow after a pause."""
PAUSE_PER_SEAL: Final = 9
"""How much longer than a seal the pause after it is: at most a tenth of a server's processor."""
_SEAL: Final = f"SELECT seal_order_events({EVENTS_MAX}) AS events"


async def seal_events(pool: DatabasePool) -> int:
    """Seal the next events; returns how many. Raises ``DATABASE_ERRORS``."""
    [row] = await fetch_repeating(pool, _SEAL)
    count: int = row["events"]
    return count


async def run_seals(pool: DatabasePool, *, interval_s: float, random: Random) -> None:
    """Seal what there is at an interval until cancelled, or never: 0. Several processes can."""
    while interval_s:
        await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))
        try:
            await _seal_all(pool)
        except DATABASE_ERRORS as error:
            observe_trading.seal_failed(error)


async def _seal_all(pool: DatabasePool) -> None:
    count = EVENTS_MAX
    while count >= EVENTS_MAX:
        started_s = perf_counter()
        count = await seal_events(pool)
        observe_trading.events_sealed(count)
        await asyncio.sleep(PAUSE_PER_SEAL * (perf_counter() - started_s))
