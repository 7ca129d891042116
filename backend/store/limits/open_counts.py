"""How many orders of an owner are open, for those who ask often: counting takes time for each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from backend.store.database import DatabasePool

EXACT_MAX: Final = 1_000
"""So many orders are counted each time: that takes about a millisecond."""
COUNTED_PER_S: Final = 20_000
"""More are counted again so many a second: a count of twice as many is used for two seconds."""
_OWNERS_MAX: Final = 1_000

_COUNT: Final = "SELECT count FROM read_open_orders($1, '')"


@dataclass(slots=True)
class _Count:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0
    valid_until_s: float = 0.0


class OpenOrderCounts:
    """Counts open orders as limits do, the many ones of an owner not all the time."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    async def read(self, owner: str) -> int:
        """The open orders of an owner, as they were a moment ago if many are. Raises ``Transient``.

        Callers who come while they are counted get the same count.
        """
        known = self._counts.setdefault(owner, _Count())
        self._counts.move_to_end(owner)
        async with known.lock:
            if monotonic() >= known.valid_until_s:
                [row] = await self._pool.read(_COUNT, owner)
                known.count = int(row["count"])
                is_reused = known.count > EXACT_MAX
                known.valid_until_s = monotonic() + known.count / COUNTED_PER_S * is_reused
        while len(self._counts) > _OWNERS_MAX:
            self._counts.popitem(last=False)
        return known.count
