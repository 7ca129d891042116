"""How many orders there are, counted at most so often, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from backend.api.wire.cursors import stream_cursor
from backend.api.wire.json import encode, instant
from backend.store.counts import Counts

KEPT_S = 0.25


class Stats:
    """Counts orders for all who ask."""

    def __init__(self, counts: Counts, journal_id: UUID, now: Callable[[], datetime]) -> None:
        self._counts = counts
        self._journal_id = journal_id
        self._now = now
        self._turn = asyncio.Lock()
        self._text: str | None = None
        self._until = 0.0

    async def text(self) -> str:
        """The counts as they are, or were a moment ago, as JSON text."""
        async with self._turn:
            time = asyncio.get_running_loop().time
            if self._text is None or time() >= self._until:
                self._text = await self._count()
                self._until = time() + KEPT_S
            return self._text

    async def _count(self) -> str:
        counts, place = await self._counts.read()
        return encode(
            {
                "at": instant(self._now()),
                "cursor": stream_cursor(self._journal_id, place),
                "total": sum(counts.values()),
                "open": sum(count for status, count in counts.items() if not status.is_end),
                "byStatus": counts,
            }
        )
