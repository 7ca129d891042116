"""The feed's lag: the oldest open transaction, which every event after it waits for.

The feed ends below the oldest transaction of the whole server that has written something and is
still open (``feed.py``). It is mostly one of ours and ends within milliseconds. Another program's,
on any database of the server, holds back the stream of events for as long as it is open, and so
does a prepared transaction that nobody ends. Orders are executed meanwhile.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from backend.domain.errors import Transient
from backend.runtime import observe_database
from backend.store.database import DatabasePool

INTERVAL_S: Final = 1.0
REPEAT_WARNING_S: Final = 60.0

# A session's age is hidden from roles without pg_read_all_stats; its pid and its name are not.
_FIND_OLDEST: Final = """
WITH head AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS txid
)
SELECT txid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s,
       pid, application_name, datname::text AS database, NULL AS prepared_as
FROM head JOIN pg_stat_activity ON backend_xid::text::bigint = txid % 4294967296
UNION ALL
SELECT txid, extract(epoch FROM clock_timestamp() - prepared)::float8, NULL, NULL, database, gid
FROM head JOIN pg_prepared_xacts ON transaction::text::bigint = txid % 4294967296
"""


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """The transaction that the feed waits for; the fields that are not known are ``None``."""

    age_s: float
    pid: int | None
    application_name: str | None
    database: str | None
    prepared_as: str | None
    """The name of a prepared transaction, which has no session any more."""


class FeedLag:
    """Measures the feed's lag; ``run`` must be running for the metric and the warnings."""

    def __init__(self, pool: DatabasePool, *, warning_s: float) -> None:
        self._pool = pool
        self._warning_s = warning_s
        self._txid = 0
        self._seen_at = 0.0
        self._warn_at = 0.0
        self.is_delayed = False
        """Whether the feed waited for a transaction at the last measurement."""

    async def run(self) -> None:
        """Measure every second until cancelled."""
        while True:
            with suppress(Transient):  # logged by the pool
                self._warn(await self.measure())
            await asyncio.sleep(INTERVAL_S)

    async def measure(self) -> OpenTransaction | None:
        """The transaction that the feed waits for now. Raises ``Transient``."""
        rows = await self._pool.read(_FIND_OLDEST)
        holder = self._parse_holder(dict(rows[0])) if rows else None
        self.is_delayed = holder is not None
        observe_database.feed_lag_measured(0 if holder is None else holder.age_s)
        return holder

    def _parse_holder(self, row: dict[str, Any]) -> OpenTransaction:
        now = asyncio.get_running_loop().time()
        txid, age_s = row.pop("txid"), row.pop("age_s")
        if txid != self._txid:
            self._txid, self._seen_at, self._warn_at = txid, now, 0.0
        # The database's clock may be hidden, or was set back since the transaction began.
        return OpenTransaction(max(age_s or 0.0, now - self._seen_at), **row)

    def is_long(self, holder: OpenTransaction) -> bool:
        """Whether a transaction is open for so long that somebody should know."""
        return holder.age_s >= self._warning_s

    def _warn(self, holder: OpenTransaction | None) -> None:
        now = asyncio.get_running_loop().time()
        if holder is None or not self.is_long(holder) or now < self._warn_at:
            return
        self._warn_at = now + REPEAT_WARNING_S
        observe_database.feed_delayed(
            holder.age_s,
            pid=holder.pid,
            application_name=holder.application_name,
            database=holder.database,
            prepared_as=holder.prepared_as,
        )
