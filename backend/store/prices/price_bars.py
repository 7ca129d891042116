"""The bars of prices in PostgreSQL: what several processes have sampled becomes one bar.

A process writes at most one statement a second. Rows are bounded: of each pair one a second for
``SECONDS_KEPT`` and one a minute for a setting's time, for at most ``PAIRS_MAX`` pairs. A row with
its index entry takes 132 bytes: a day of 20 pairs that are read in every second 230 MB, and each
day of their minutes 4 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from backend.accounting.bars import MINUTE_S, SECOND_S, Bar, PriceSample, build_bars
from backend.accounting.pairs import PairName
from backend.store.database import DatabasePool

SECONDS_KEPT: Final = timedelta(days=1)
PAIRS_MAX: Final = 1_000
"""Most pairs that have bars: those that come later have none until old ones are gone."""
DELETED_MAX: Final = 5_000
"""Most bars that one statement deletes."""

_READ_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::float8 AS at"
_ADD_PAIRS: Final = """
INSERT INTO price_pairs (base, quote)
SELECT DISTINCT * FROM unnest($1::text[], $2::text[])
WHERE (SELECT count(*) FROM price_pairs) < $3 ON CONFLICT DO NOTHING
"""
# Of two processes that have sampled a pair in one second, the first opens its bar, and the one that
# has read the newer slot closes it.
_INSERT: Final = """
    INSERT INTO {table} AS b (pair_id, start, open, high, low, close, slot)
    SELECT pair_id, start, open, high, low, close, slot FROM input
    WHERE length_s = {length_s} ORDER BY pair_id, start
    ON CONFLICT (pair_id, start) DO UPDATE SET
        high = greatest(b.high, excluded.high), low = least(b.low, excluded.low),
        close = CASE WHEN excluded.slot >= b.slot THEN excluded.close ELSE b.close END,
        slot = greatest(b.slot, excluded.slot)
"""
_ADD: Final = f""" -- add bars
WITH input AS MATERIALIZED (
    SELECT p.id AS pair_id, i.* FROM unnest(
        $1::text[], $2::text[], $3::int[], $4::bigint[],
        $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[], $9::bigint[]
    ) AS i(base, quote, length_s, start, open, high, low, close, slot)
    JOIN price_pairs p USING (base, quote)
), seconds AS ({_INSERT.format(table="price_seconds", length_s=SECOND_S)}
), minutes AS ({_INSERT.format(table="price_minutes", length_s=MINUTE_S)}
)
SELECT count(*) AS count FROM input
"""  # noqa: S608 - constants only
_DELETE: Final = """
DELETE FROM {table} WHERE (pair_id, start) IN (
    SELECT b.pair_id, b.start FROM price_pairs p CROSS JOIN LATERAL (
        SELECT pair_id, start FROM {table}
        WHERE pair_id = p.id AND start < extract(epoch FROM now() - $1::interval)::bigint
        ORDER BY start LIMIT $2
    ) b LIMIT $2
)
"""
_DELETE_PAIRS: Final = """
DELETE FROM price_pairs p WHERE NOT EXISTS (SELECT FROM price_seconds WHERE pair_id = p.id)
    AND NOT EXISTS (SELECT FROM price_minutes WHERE pair_id = p.id)
"""
_READ: Final = """
SELECT start / $5 * $5 AS start, (array_agg(open ORDER BY start))[1] AS open, max(high) AS high,
       min(low) AS low, (array_agg(close ORDER BY start DESC))[1] AS close, max(slot) AS slot
FROM {table} WHERE pair_id = (SELECT id FROM price_pairs WHERE base = $1 AND quote = $2)
    AND start >= $3 AND start < $4
GROUP BY start / $5 ORDER BY 1
"""

_READ_RECENT: Final = """
SELECT p.base, p.quote, b.start, b.open, b.high, b.low, b.close, b.slot
FROM unnest($1::text[], $2::text[]) AS i(base, quote) JOIN price_pairs p USING (base, quote)
JOIN price_seconds b ON b.pair_id = p.id
    AND b.start >= extract(epoch FROM clock_timestamp() - $3::interval)::bigint
ORDER BY b.start
"""


class PriceBars:
    """Stores and reads bars. Raises ``Transient``."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def read_clock_s(self) -> float:
        """The database's clock, in seconds since 1970."""
        rows = await self._pool.read(_READ_CLOCK)
        return float(rows[0]["at"])

    async def add(self, samples: Sequence[PriceSample]) -> None:
        """Add samples, in the order of their times, to the bars of their seconds and minutes."""
        columns = _to_columns(samples)
        if not columns:
            return
        if await self._add(columns) < len(columns[0]):  # a pair of them has had no bar
            await self._pool.read(_ADD_PAIRS, columns[0], columns[1], PAIRS_MAX)
            await self._add(columns)

    async def _add(self, columns: Sequence[Sequence[object]]) -> int:
        rows = await self._pool.read(_ADD, *columns)
        return int(rows[0]["count"])

    async def delete_old(self, minutes_kept: timedelta) -> None:
        """Delete some of the bars that are older than they are kept."""
        for table, kept in (("price_seconds", SECONDS_KEPT), ("price_minutes", minutes_kept)):
            await self._pool.read(_DELETE.format(table=table), kept, DELETED_MAX)
        await self._pool.read(_DELETE_PAIRS)

    async def read(self, pair: PairName, start_s: int, end_s: int, step_s: int) -> list[Bar]:
        """The bars of a pair from a time until another, in steps of whole seconds or minutes."""
        table = "price_minutes" if step_s % MINUTE_S == 0 else "price_seconds"
        rows = await self._pool.read(_READ.format(table=table), *pair, start_s, end_s, step_s)
        return [_parse_bar(row) for row in rows]

    async def read_recent(
        self, pairs: Sequence[PairName], length: timedelta
    ) -> list[tuple[PairName, Bar]]:
        """The bars of a second of some pairs, of the last time of a length, the oldest first."""
        columns = [[pair.base for pair in pairs], [pair.quote for pair in pairs]]
        rows = await self._pool.read(_READ_RECENT, *columns, length)
        return [(PairName(row["base"], row["quote"]), _parse_bar(row)) for row in rows]


def _to_columns(samples: Sequence[PriceSample]) -> list[list[object]]:
    """The columns of the bars that samples are, of both lengths; those of later seconds are new."""
    rows = [
        (*pair, length_s, *bar)
        for length_s in (SECOND_S, MINUTE_S)
        for (pair, _), bar in build_bars(samples, length_s).items()
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _parse_bar(row: asyncpg.Record) -> Bar:
    return Bar(row["start"], row["open"], row["high"], row["low"], row["close"], row["slot"])
