"""The statistics cache: counts orders by status at most once per interval, for all callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from backend.api.wire.cursors import format_stream_cursor
from backend.api.wire.json import encode, format_time
from backend.store.counts import StatusCounts

MAX_AGE_S = 0.25


class StatsCache:
    """Counts of all orders by status, at most ``MAX_AGE_S`` old."""

    def __init__(self, counts: StatusCounts, journal_id: UUID, now: Callable[[], datetime]) -> None:
        self._counts = counts
        self._journal_id = journal_id
        self._now = now
        self._refresh_lock = asyncio.Lock()
        self._text: str | None = None
        self._expires_at = 0.0

    async def get_text(self) -> str:
        """The counts as JSON text, refreshed if they are too old."""
        async with self._refresh_lock:
            time = asyncio.get_running_loop().time
            if self._text is None or time() >= self._expires_at:
                self._text = await self._read_counts()
                self._expires_at = time() + MAX_AGE_S
            return self._text

    async def _read_counts(self) -> str:
        counts, position = await self._counts.read()
        return encode(
            {
                "at": format_time(self._now()),
                "cursor": format_stream_cursor(self._journal_id, position),
                "total": sum(counts.values()),
                "open": sum(count for status, count in counts.items() if not status.is_final),
                "byStatus": counts,
            }
        )
