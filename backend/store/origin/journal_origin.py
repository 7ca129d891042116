"""The origin of the journal: the run of the PostgreSQL server on which it was last complete.

A standby that is promoted, or a server that was restored, may lack what another one has committed
and answered. Each run of a server has a start of its own, and the journal has that of the run on
which it was found complete. Where the two differ, the statements that claim, release, submit and
end orders do nothing (``list_trading_states``, ``require_complete_journal``): so from the first
statement on that reaches such a server, whichever process sends it, also through a pooler.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from backend.store.database import DatabasePool
from backend.store.errors import DATABASE_ERRORS, Reaction, classify, report_unavailable

KNOWN_MAX: Final = 1_000
"""So many of the latest confirmed orders are looked at for those of a wallet."""

_READ: Final = """ -- read journal origin
SELECT server_started_at IS NOT NULL AS is_bound, is_journal_complete() AS is_complete,
       pg_postmaster_start_time() AS started_at, server_id, timeline,
       EXISTS (SELECT FROM found_transactions WHERE adopted_at IS NULL) AS has_found{position}
FROM journal
"""
_POSITION: Final = """,
       (SELECT system_identifier FROM pg_control_system()) AS now_server_id,
       ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int AS now_timeline,
       (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS now_position"""
_POSITION_COLUMNS: Final = ("now_server_id", "now_timeline", "now_position")
_SET_COMPLETE: Final = """ -- set journal origin
UPDATE journal SET
    server_started_at = $1, server_id = $2, timeline = $3, origin_note = NULL, held_since = NULL
WHERE pg_postmaster_start_time() = $1
"""
_HOLD: Final = """ -- hold journal
UPDATE journal SET server_started_at = '-infinity', held_since = clock_timestamp()
WHERE server_started_at IS NULL
"""
_NOTE: Final = """ -- note journal origin
UPDATE journal SET origin_note = $1, held_since = find_halt_begin(held_since)
WHERE NOT is_journal_complete() AND origin_note IS DISTINCT FROM $1
"""
_READ_KNOWN: Final = f""" -- read known signatures
SELECT e.signature FROM (
    SELECT order_id, data->>'txHash' AS signature FROM order_events
    WHERE status = 'confirmed' AND data ? 'txHash' ORDER BY txid DESC LIMIT {KNOWN_MAX}
) e JOIN orders o ON o.id = e.order_id WHERE o.wallet = $1
"""  # noqa: S608 - constants only
# Each owner's latest by the index of its fills: there is none of all owners, nor of a wallet.
_READ_ARCHIVED: Final = f""" -- read archived signatures
WITH RECURSIVE owners(owner) AS (
    SELECT min(owner) FROM archived_orders WHERE status = 'confirmed' AND type <> 'twap'
    UNION ALL
    SELECT (SELECT min(a.owner) FROM archived_orders a
            WHERE a.owner > o.owner AND a.status = 'confirmed' AND a.type <> 'twap')
    FROM owners o WHERE o.owner IS NOT NULL
)
SELECT f.tx_hash AS signature FROM owners o CROSS JOIN LATERAL (
    SELECT a.tx_hash, a.wallet, a.ended_at FROM archived_orders a
    WHERE a.owner = o.owner AND a.status = 'confirmed' AND a.type <> 'twap'
    ORDER BY a.ended_at DESC LIMIT {KNOWN_MAX}
) f WHERE f.wallet = $1 AND f.tx_hash IS NOT NULL ORDER BY f.ended_at DESC LIMIT {KNOWN_MAX}
"""  # noqa: S608 - constants only
_READ_BEGIN: Final = "SELECT min(applied_at) AS at FROM migrations"
_IDLE_TIMEOUT: Final = "SET LOCAL idle_in_transaction_session_timeout = 0"
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(1868916787)"


class ServerPosition(NamedTuple):
    """A server, its timeline, and how much of its write-ahead log is flushed, in bytes."""

    server_id: int
    timeline: int
    position: int


class JournalState(NamedTuple):
    """Whether the journal is known to be complete on the server, whose run began ``started_at``.

    Unless it ``is_bound``, no worker has started on it. ``server_id`` and ``timeline`` are of where
    it was complete last. It ``has_found`` transactions that their orders have not adopted.
    ``now`` is where the server is; ``None`` if it does not tell, as some hosted ones.
    """

    is_bound: bool
    is_complete: bool
    started_at: datetime
    server_id: int | None
    timeline: int | None
    has_found: bool
    now: ServerPosition | None


class JournalOrigin:
    """Reads and stores the origin of the journal. Its methods raise ``Transient``."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool
        self._tells_position = True

    async def read_state(self) -> JournalState:
        """Read whether the journal is known to be complete."""
        if self._tells_position:
            try:
                return await self._read_all()
            except asyncpg.PostgresError as error:
                if classify(error) not in {Reaction.REPORT, Reaction.SET_UP}:
                    raise report_unavailable(error) from error
                self._tells_position = False
            except DATABASE_ERRORS as error:
                raise report_unavailable(error) from error
        [row] = await self._pool.read(_READ.format(position=""))
        return JournalState(**row, now=None)

    async def _read_all(self) -> JournalState:
        async with self._pool.acquire() as connection:
            [row] = await connection.fetch(_READ.format(position=_POSITION))
        told = dict(row)
        now = ServerPosition(*(told.pop(name) for name in _POSITION_COLUMNS))
        return JournalState(**told, now=now)

    async def set_complete(self, state: JournalState) -> None:
        """Store that the journal is complete on the run of a server, if it is still that one."""
        server = (None, None) if state.now is None else state.now[:2]
        await self._pool.read(_SET_COMPLETE, state.started_at, *server)

    async def hold(self) -> None:
        """Hold all orders of a journal that no worker has started on."""
        await self._pool.read(_HOLD)

    async def note(self, text: str) -> None:
        """Store, for people, why the journal is not known to be complete."""
        await self._pool.read(_NOTE, text)

    async def read_known(self, wallet: str) -> Sequence[str]:
        """Read the last signatures of a wallet that the journal knows to have landed.

        Those of archived orders if it has no others, as nodes do not go back to its beginning.
        """
        rows = await self._pool.read(_READ_KNOWN, wallet)
        rows = rows or await self._pool.read(_READ_ARCHIVED, wallet)
        return [row["signature"] for row in rows]

    async def read_begin(self) -> datetime:
        """Read the time before which the journal was not there, by the clock of the database."""
        [row] = await self._pool.read(_READ_BEGIN)
        begin: datetime = row["at"]
        return begin

    @asynccontextmanager
    async def compare_alone(self) -> AsyncIterator[bool]:
        """Be the one process that compares for the length of a block; false if another one is.

        Raises ``DATABASE_ERRORS``.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_IDLE_TIMEOUT)
            yield bool(await connection.fetchval(_LOCK))
