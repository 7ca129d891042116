"""The markets that paid most, for each direction of a pair that trailing stops follow.

They are the marks of all those orders, as of the last slot: whoever watches a shard next computes
the marks from them. Beside them are the markets that paid most since any time, as of some seconds
ago, for the best price that an order was offered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.launches.tokens import list_token_names, load_tokens

_LOAD: Final = """ -- load peaks
SELECT token_in, token_out, peaks, best, best_at, now() AS at FROM market_peaks
WHERE order_trigger_shard(token_in, token_out) = ANY($1::smallint[])
"""

_FIND: Final = """ -- find peaks
SELECT p.token_in, p.token_out, p.peaks, p.best, p.best_at, now() AS at
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

_STORE_BEST: Final = """ -- store best markets
INSERT INTO market_peaks AS m (token_in, token_out, peaks, best, best_at)
SELECT i.token_in, i.token_out, '[]', i.best, $5
FROM unnest($1::text[], $2::text[], $3::text[]) AS i(token_in, token_out, best)
JOIN trigger_shards s ON s.shard = order_trigger_shard(i.token_in, i.token_out) AND s.holder = $4
ORDER BY 1, 2
ON CONFLICT (token_in, token_out) DO UPDATE
SET best = excluded.best, best_at = excluded.best_at
"""


class StoredPeaks(NamedTuple):
    """The peaks of one direction of a pair, by its tokens' symbols, as JSON text.

    ``best`` are the reads of the markets that paid most, as of ``best_at``.
    """

    token_in: str
    token_out: str
    peaks: str
    best: str | None
    best_at: datetime | None
    at: datetime
    """When this was read, by the database's clock."""

    @property
    def best_age_s(self) -> float:
        """How long ago ``best`` was, in seconds."""
        return 0.0 if self.best_at is None else (self.at - self.best_at).total_seconds()


class StoredText(NamedTuple):
    """The JSON text of one direction of a pair, by its tokens' symbols."""

    token_in: str
    token_out: str
    text: str


class MarketPeaks:
    """Stores and loads peaks. Every method but ``find`` raises ``DATABASE_ERRORS``.

    ``tokens`` gets to know the tokens of all peaks that are loaded.
    """

    def __init__(self, pool: DatabasePool, tokens: TokenRegistry | None = None) -> None:
        self._pool = pool
        self._tokens = tokens

    async def load(self, shards: Sequence[int]) -> list[StoredPeaks]:
        """The peaks of all pairs of some shards."""
        rows = await fetch_repeating(self._pool, _LOAD, shards)
        if self._tokens is not None:
            await load_tokens(self._pool, self._tokens, list_token_names(rows))
        return [StoredPeaks(*row) for row in rows]

    async def find(self, directions: Collection[tuple[str, str]]) -> list[StoredPeaks]:
        """The peaks of some directions, by their tokens' symbols.

        Raises ``Transient`` while PostgreSQL is unavailable.
        """
        tokens_in = [token_in for token_in, _ in directions]
        rows = await self._pool.read(_FIND, tokens_in, [token_out for _, token_out in directions])
        return [StoredPeaks(*row) for row in rows]

    async def store(self, holder: UUID, peaks: Sequence[StoredText]) -> None:
        """Replace the peaks of some pairs, where this process holds their shard."""
        await self._store(_STORE, holder, peaks)

    async def read_clock(self) -> datetime:
        """The time, by the database's clock."""
        [row] = await fetch_repeating(self._pool, "SELECT now() AS at")
        at: datetime = row["at"]
        return at

    async def store_best(self, holder: UUID, reads: Sequence[StoredText], at: datetime) -> None:
        """Replace the reads of the markets that paid most, as of a time; else as ``store``."""
        await self._store(_STORE_BEST, holder, reads, at)

    async def _store(
        self, statement: str, holder: UUID, texts: Sequence[StoredText], *others: object
    ) -> None:
        columns = (list(column) for column in zip(*texts, strict=True))
        await fetch_repeating(self._pool, statement, *columns, holder, *others)
