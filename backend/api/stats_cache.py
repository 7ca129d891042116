"""The statistics cache: counts orders by status at most once per interval, for all callers.

Each owner gets the counts of its own orders, and nothing of others'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from backend.api.wire.json import encode
from backend.domain.times import format_time
from backend.store.counts import StatusCounts
from backend.store.feed import FeedPosition

MAX_AGE_S = 0.25


class StatsCache:
    """Counts of each owner's orders by status, at most ``MAX_AGE_S`` old.

    With them go what ``list_stopped`` returns for the owner, which is what holds its orders up, and
    the name of the cluster that signatures are on.
    """

    def __init__(
        self,
        counts: StatusCounts,
        format_cursor: Callable[[FeedPosition], str],
        now: Callable[[], datetime],
        list_stopped: Callable[[str], Sequence[str]],
        cluster: str,
    ) -> None:
        self._counts = counts
        self._format_cursor = format_cursor
        self._now = now
        self._list_stopped = list_stopped
        self._cluster = cluster
        self._refresh_lock = asyncio.Lock()
        self._texts: dict[str, str] = {}
        self._expires_at = 0.0
        self._at = ""
        self._position: FeedPosition | None = None

    async def get_text(self, owner: str) -> str:
        """The counts of an owner's orders as JSON text, refreshed if they are too old."""
        async with self._refresh_lock:
            time = asyncio.get_running_loop().time
            if self._position is None or time() >= self._expires_at:
                self._position = await self._counts.refresh()
                self._at = format_time(self._now())
                self._texts.clear()
                self._expires_at = time() + MAX_AGE_S
            if owner not in self._texts:
                self._texts[owner] = self._build_text(owner, self._position)
            return self._texts[owner]

    def _build_text(self, owner: str, position: FeedPosition) -> str:
        counts = self._counts.get(owner)
        return encode(
            {
                "at": self._at,
                "cursor": self._format_cursor(position),
                "total": sum(counts.values()),
                "open": sum(count for status, count in counts.items() if not status.is_final),
                "byStatus": counts,
                "stopped": self._list_stopped(owner),
                "cluster": self._cluster,
            }
        )
