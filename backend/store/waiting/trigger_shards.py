"""The shards of waiting orders, and which process watches each, for a time by the database's clock.

The two directions of a pair are in one shard. A lease divides the work and protects nothing: while
two processes take a shard for theirs, both do the same work, and each order is released once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from backend.store.database import DatabasePool, fetch_repeating

SHARDS: Final = 64

# A lease that ends later than any may was stored before the clock was set back: it is none.
_CLAIM: Final = """
WITH free AS (
    SELECT shard FROM trigger_shards
    WHERE (lease_until > now() AND lease_until <= now() + $3::interval) IS NOT TRUE
    ORDER BY random() LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE trigger_shards t SET holder = $1, epoch = t.epoch + 1, lease_until = now() + $3::interval
FROM free WHERE t.shard = free.shard
RETURNING t.shard
"""
_RENEW: Final = """
UPDATE trigger_shards SET lease_until = now() + $3::interval
WHERE holder = $1 AND shard = ANY($2::smallint[])
RETURNING shard
"""
_RELEASE: Final = """
UPDATE trigger_shards SET holder = NULL, lease_until = NULL
WHERE holder = $1 AND ($2::smallint[] IS NULL OR shard = ANY($2::smallint[]))
"""
_COUNT: Final = """
SELECT holder, count(*) AS shards FROM trigger_shards
WHERE lease_until > now() AND lease_until <= now() + $1::interval GROUP BY holder
"""

_COUNT_WATCHERS: Final = """
WITH gone AS (
    DELETE FROM trigger_watchers
    WHERE id <> $1 AND (seen_until > now() AND seen_until <= now() + $2::interval) IS NOT TRUE
    RETURNING id
), seen AS (
    INSERT INTO trigger_watchers (id, seen_until) VALUES ($1, now() + $2::interval)
    ON CONFLICT (id) DO UPDATE SET seen_until = excluded.seen_until
)
SELECT count(*) + 1 FROM trigger_watchers
WHERE id <> $1 AND seen_until > now() AND seen_until <= now() + $2::interval
"""
_FORGET_WATCHER: Final = "DELETE FROM trigger_watchers WHERE id = $1"


def find_shard(token_in: str, token_out: str) -> int:
    """The shard of a pair, by its tokens' symbols in either order: as the database computes it."""
    first, second = sorted((token_in, token_out))
    return sha256(f"{first} {second}".encode()).digest()[0] % SHARDS


class TriggerShards:
    """Claims, renews and releases shards. Every method raises ``DATABASE_ERRORS``.

    A holder is named by an id of its process. ``duration`` is that of a lease.
    """

    def __init__(self, pool: DatabasePool, *, duration: timedelta) -> None:
        self._pool = pool
        self._duration = duration

    async def claim(self, holder: UUID, *, at_most: int) -> set[int]:
        """Claim up to so many shards that nobody holds."""
        rows = await fetch_repeating(self._pool, _CLAIM, holder, at_most, self._duration)
        return {row["shard"] for row in rows}

    async def renew(self, holder: UUID, shards: Collection[int]) -> set[int]:
        """Extend the leases of shards; returns those that this process still holds."""
        rows = await fetch_repeating(self._pool, _RENEW, holder, list(shards), self._duration)
        return {row["shard"] for row in rows}

    async def release(self, holder: UUID, shards: Collection[int] | None = None) -> None:
        """Release shards of a process, or all of them, so that another one may have them."""
        await fetch_repeating(
            self._pool, _RELEASE, holder, None if shards is None else list(shards)
        )

    async def count_watchers(self, holder: UUID) -> int:
        """The number of processes that watch prices, and that this is one, until a lease ends."""
        rows = await fetch_repeating(self._pool, _COUNT_WATCHERS, holder, self._duration)
        return int(rows[0][0])

    async def forget_watcher(self, holder: UUID) -> None:
        """Tell that a process watches no more."""
        await fetch_repeating(self._pool, _FORGET_WATCHER, holder)

    async def count_held(self) -> dict[UUID, int]:
        """The number of shards of each process that holds any."""
        rows = await fetch_repeating(self._pool, _COUNT, self._duration)
        return {row["holder"]: row["shards"] for row in rows}
