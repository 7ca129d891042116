"""The markets that paid most, for each direction of a pair that trailing stops follow.

They are the marks of all those orders, as of the last slot: whoever watches a shard next computes
the marks from them. Beside them are the markets that paid most since any time, as of some seconds
ago, for the best price that an order was offered. Orders that name the pools that they may use have
peaks of their own, by the constraints of these; the markets that paid most are those of all pools.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.route_constraints import (
    RouteConstraints,
    decode_constraints,
    encode_constraints,
)
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.launches.tokens import list_token_names, load_tokens

_LOAD: Final = """ -- load peaks
SELECT token_in, token_out, peaks, best, best_at, now() AS at, NULL AS route_constraints
FROM market_peaks WHERE order_trigger_shard(token_in, token_out) = ANY($1::smallint[])
UNION ALL
SELECT token_in, token_out, peaks, NULL, NULL, now(), route_constraints
FROM restricted_peaks WHERE order_trigger_shard(token_in, token_out) = ANY($1::smallint[])
"""

_FIND: Final = """ -- find peaks
SELECT p.token_in, p.token_out, p.peaks, p.best, p.best_at, now() AS at, NULL AS route_constraints
FROM unnest($1::text[], $2::text[]) AS i(token_in, token_out)
JOIN market_peaks p ON p.token_in = i.token_in AND p.token_out = i.token_out
"""

_FIND_RESTRICTED: Final = """ -- find restricted peaks
WITH i AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
        AS i(token_in, token_out, route_constraints)
)
SELECT p.token_in, p.token_out, p.peaks, p.best, p.best_at, now() AS at, NULL AS route_constraints
FROM i JOIN market_peaks p ON p.token_in = i.token_in AND p.token_out = i.token_out
WHERE i.route_constraints IS NULL
UNION ALL
SELECT p.token_in, p.token_out, p.peaks, NULL, NULL, now(), p.route_constraints
FROM i JOIN restricted_peaks p ON p.token_in = i.token_in AND p.token_out = i.token_out
    AND p.route_constraints = i.route_constraints
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

_STORE_RESTRICTED: Final = """ -- store restricted peaks
INSERT INTO restricted_peaks AS m (token_in, token_out, route_constraints, peaks)
SELECT i.token_in, i.token_out, i.route_constraints, i.peaks
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS i(token_in, token_out, route_constraints, peaks)
JOIN trigger_shards s ON s.shard = order_trigger_shard(i.token_in, i.token_out) AND s.holder = $5
ORDER BY 1, 2, 3
ON CONFLICT (token_in, token_out, route_constraints) DO UPDATE SET peaks = excluded.peaks
"""

_FORGET: Final = """ -- forget restricted peaks
DELETE FROM restricted_peaks p
USING unnest($1::text[], $2::text[], $3::text[]) AS i(token_in, token_out, route_constraints),
    trigger_shards s
WHERE p.token_in = i.token_in AND p.token_out = i.token_out
    AND p.route_constraints = i.route_constraints
    AND s.shard = order_trigger_shard(i.token_in, i.token_out) AND s.holder = $4
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


class PeaksKey(NamedTuple):
    """A direction of a pair, by its tokens' symbols, over the pools that constraints allow."""

    token_in: str
    token_out: str
    constraints: RouteConstraints | None = None

    @property
    def whole(self) -> PeaksKey:
        """The same direction over all pools."""
        return self._replace(constraints=None)


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
    constraints: RouteConstraints | None = None
    """Those of the pools, in their normal form."""

    @property
    def key(self) -> PeaksKey:
        """What they are the peaks of."""
        return PeaksKey(self.token_in, self.token_out, self.constraints)

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
        return _parse(rows)

    async def find(self, keys: Collection[PeaksKey]) -> list[StoredPeaks]:
        """The peaks of some directions, and of these over all pools.

        Raises ``Transient`` while PostgreSQL is unavailable.
        """
        whole = list(dict.fromkeys((each.token_in, each.token_out) for each in keys))
        restricted = [each for each in keys if each.constraints is not None]
        if restricted:
            wanted = [*((*each, None) for each in whole), *_encode_keys(restricted)]
            return _parse(await self._pool.read(_FIND_RESTRICTED, *_list_columns(wanted, 3)))
        return _parse(await self._pool.read(_FIND, *_list_columns(whole, 2)))

    async def store(self, holder: UUID, peaks: Mapping[PeaksKey, str]) -> None:
        """Replace the peaks of some directions, where this process holds the shard of the pair."""
        whole = [StoredText(*key[:2], text) for key, text in peaks.items() if key[2] is None]
        if whole:
            await self._store(_STORE, holder, whole)
        restricted = [key for key in peaks if key.constraints is not None]
        if restricted:
            columns = _list_columns(_encode_keys(restricted), 3)
            texts = [peaks[key] for key in restricted]
            await fetch_repeating(self._pool, _STORE_RESTRICTED, *columns, texts, holder)

    async def forget(self, holder: UUID, keys: Collection[PeaksKey]) -> None:
        """Forget the peaks of those directions that are restricted, of shards that are held."""
        restricted = _encode_keys(keys)
        if restricted:
            await fetch_repeating(self._pool, _FORGET, *_list_columns(restricted, 3), holder)

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


def _encode_keys(keys: Iterable[PeaksKey]) -> list[tuple[str, str, str]]:
    """The keys of restricted directions as their rows have them."""
    return [
        (token_in, token_out, encode_constraints(constraints))
        for token_in, token_out, constraints in keys
        if constraints is not None
    ]


def _list_columns(rows: Sequence[Sequence[str | None]], width: int) -> list[list[str | None]]:
    return [[row[at] for row in rows] for at in range(width)]


def _parse(rows: Iterable[asyncpg.Record]) -> list[StoredPeaks]:
    return [
        StoredPeaks(*row)._replace(constraints=_decode(row["route_constraints"])) for row in rows
    ]


def _decode(text: str | None) -> RouteConstraints | None:
    return None if text is None else decode_constraints(text)
