"""The markets that paid most, for each direction of a pair that trailing stops follow.

They are the marks of all those orders, as of the last slot: whoever watches a shard next computes
the marks from them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from backend.store.database import DatabasePool, fetch_repeating

_LOAD: Final = """ -- load peaks
SELECT token_in, token_out, peaks FROM market_peaks
WHERE order_trigger_shard(token_in, token_out) = ANY($1::smallint[])
"""

_FIND: Final = """ -- find peaks
SELECT p.token_in, p.token_out, p.peaks
FROM unnest($1::text[], $2::text[]) AS i(token_in, token_out)
JOIN market_peaks p ON p.token_in = i.token_in AND p.token_out = i.token_out
"""

# Whoever has lost a shard has missed what its new holder saw, and may not write over it.
_STORE: Final = """ -- store peaks
INSERT INTO market_peaks AS m (token_in, token_out, peaks)
SELECT i.token_in, i.token_out, i.peaks
FROM unnest($1::text[], $2::text[], $3::text[]) AS i(token_in, token_out, peaks)
JOIN trigger_shards s ON s.shard = order_trigger_shard(i.token_in, i.token_out) AND s.holder = $4
ORDER BY 1, 2
ON CONFLICT (token_in, token_out) DO UPDATE SET peaks = excluded.peaks
"""


class StoredPeaks(NamedTuple):
    """The peaks of one direction of a pair, by its tokens' symbols, as JSON text."""

    token_in: str
    token_out: str
    peaks: str


class MarketPeaks:
    """Stores and loads peaks. Every method but ``find`` raises ``DATABASE_ERRORS``."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def load(self, shards: Sequence[int]) -> list[StoredPeaks]:
        """The peaks of all pairs of some shards."""
        rows = await fetch_repeating(self._pool, _LOAD, shards)
        return [StoredPeaks(*row) for row in rows]

    async def find(self, directions: Collection[tuple[str, str]]) -> list[StoredPeaks]:
        """The peaks of some directions, by their tokens' symbols.

        Raises ``Transient`` while PostgreSQL is unavailable.
        """
        tokens_in = [token_in for token_in, _ in directions]
        rows = await self._pool.read(_FIND, tokens_in, [token_out for _, token_out in directions])
        return [StoredPeaks(*row) for row in rows]

    async def store(self, holder: UUID, peaks: Sequence[StoredPeaks]) -> None:
        """Replace the peaks of some pairs, where this process holds their shard."""
        tokens_in, tokens_out, texts = (list(column) for column in zip(*peaks, strict=True))
        await fetch_repeating(self._pool, _STORE, tokens_in, tokens_out, texts, holder)
