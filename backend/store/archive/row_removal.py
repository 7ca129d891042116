"""The rows of archived orders: read as lines, compared with the lines of a file, and removed.

First the file is noted, with the keys of its orders. Then whoever stores orders and began before
that is waited for. From then on nobody stores an order with one of the keys, so that the orders can
be removed, a few in each transaction: each is compared with its line under a lock of its row. Such
a transaction locks the row of the file as well, which whoever forgets a file has to lock alone: the
lock of the archiver ends with its connection, while a commit of another one may be under way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID

import asyncpg

from backend.store.archive.errors import ArchiveError
from backend.store.archive.index_plans import open_by_index
from backend.store.archive.manifest import ArchiveFile
from backend.store.archive.order_file import ArchivedLine
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import translate_errors

ARCHIVED: Final = "orders_archived"
"""The action of the entries of the audit log that name a file."""
WRITERS_WAIT_S: Final = 60.0
WRITERS_POLL_S: Final = 0.02

_READ: Final = """ -- read orders to archive
SELECT o.id, json_build_object('order', row_to_json(o), 'events', (
    SELECT json_agg(json_build_object('seq', e.seq, 'status', e.status, 'at', e.at,
        'attempt', e.attempt, 'txid', e.txid, 'data', e.data::text) ORDER BY e.seq)
    FROM order_events e WHERE e.order_id = o.id
))::text AS line
FROM unnest($1::uuid[]) WITH ORDINALITY AS i(id, n) JOIN orders o ON o.id = i.id
ORDER BY i.n
"""
_READ_LOCKED: Final = f"{_READ} FOR UPDATE OF o"

_NOTE_FILE: Final = """ -- note archive file
INSERT INTO archive_files (number, archive, file, sha256, orders, events, last_txid)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_NOTE_NAMES: Final = """ -- note archived client order ids
INSERT INTO archived_names AS n (owner, client_order_id, request_hash, is_of_batch, order_id,
                                 order_created_at, order_status)
SELECT owner, client_order_id, request_hash, batch_id IS NOT NULL, id, created_at, status::text
FROM orders WHERE id = ANY($1::uuid[]) AND client_order_id IS NOT NULL
ON CONFLICT (owner, client_order_id) DO UPDATE SET request_hash = excluded.request_hash,
    is_of_batch = excluded.is_of_batch, order_id = excluded.order_id,
    order_created_at = excluded.order_created_at, order_status = excluded.order_status,
    archived_at = now()
"""
_NOTE_KEYS: Final = """ -- note archived idempotency keys
INSERT INTO replayed_keys (owner, idempotency_key, request_hash, is_of_batch, order_id,
                           order_created_at, order_status)
SELECT owner, idempotency_key, request_hash, batch_id IS NOT NULL, id, created_at, status::text
FROM orders WHERE id = ANY($1::uuid[]) AND idempotency_key IS NOT NULL
ON CONFLICT (owner, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash,
    is_of_batch = excluded.is_of_batch, order_id = excluded.order_id,
    order_created_at = excluded.order_created_at, order_status = excluded.order_status,
    created_at = now()
"""
# The statement that stores orders was planned while there were no names.
_ANALYZE_NAMES: Final = "ANALYZE archived_names"
# A statement locks the tables that it writes before it takes its snapshot.
_LIST_WRITERS: Final = """ -- list writers of orders
SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
WHERE locktype = 'relation' AND relation = 'orders'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_KEEP: Final = """ -- keep what outlives orders
INSERT INTO archived_orders (
    id, owner, file_number, client_order_id, batch_id, parent_id, type, token_in, token_out,
    amount_in, status, dex, route, data, amount_out, executed_price, last_error, cancel_reason,
    network_fee_lamports, priority_fee_lamports, tip_lamports, rent_lamports, wallet, tx_hash,
    signatures, seq, created_at, submitted_at, confirmed_at, ended_at)
SELECT o.id, owner, $2, client_order_id, batch_id, parent_id, type, token_in, token_out,
    amount_in, o.status, dex, CASE WHEN is_fill THEN route END,
    CASE WHEN is_fill THEN last.data END, amount_out, executed_price, last_error, cancel_reason,
    network_fee_lamports, priority_fee_lamports, tip_lamports, rent_lamports, wallet, tx_hash,
    sent.signatures, o.seq, created_at, sent.at, CASE WHEN is_fill THEN last.at END,
    coalesce(closed_at, updated_at)
FROM (
    SELECT *, status = 'confirmed' AND type <> 'twap' AS is_fill FROM orders
    WHERE id = ANY($1::uuid[])
) o
LEFT JOIN order_events last ON last.order_id = o.id AND last.seq = o.seq
CROSS JOIN LATERAL (
    SELECT nullif(array_agg(s.data->>'txHash' ORDER BY s.seq)
        FILTER (WHERE s.data->>'txHash' IS DISTINCT FROM o.tx_hash), '{}') AS signatures,
        max(s.at) FILTER (WHERE s.seq < o.seq) AS at
    FROM order_events s WHERE s.order_id = o.id AND s.status = 'submitted'
) sent
"""
_COUNT: Final = """ -- count orders that are removed
INSERT INTO archive_removals (owner, status, orders)
SELECT owner, status, count(*) FROM orders WHERE id = ANY($1::uuid[]) GROUP BY owner, status
"""
_REMOVE_EVENTS: Final = "DELETE FROM order_events WHERE order_id = ANY($1::uuid[])"
_REMOVE_ORDERS: Final = "DELETE FROM orders WHERE id = ANY($1::uuid[])"
_FIND_ARCHIVED: Final = "SELECT id FROM archived_orders WHERE id = ANY($1::uuid[])"
_LOCK_FILE: Final = """ -- lock unfinished archive file
SELECT FROM archive_files WHERE number = $1 AND removed_at IS NULL FOR SHARE
"""
_SET_REMOVED: Final = """ -- note that an archive file is finished
UPDATE archive_files SET removed_at = now() WHERE number = $1 AND removed_at IS NULL
RETURNING number
"""
_READ_FILES: Final = """ -- read archive files
SELECT number, archive, file, encode(sha256, 'hex') AS sha256, orders, events, last_txid
FROM archive_files
"""
_READ_UNFINISHED: Final = f"{_READ_FILES} WHERE removed_at IS NULL ORDER BY number"
_READ_NUMBERS: Final = "SELECT number FROM archive_files ORDER BY number"


class RowRemoval:
    """Removes orders that are in a file. Its methods raise ``Transient`` and ``ArchiveError``."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def read_lines(self, ids: Sequence[UUID]) -> list[ArchivedLine]:
        """The lines of orders, in the order of their ids as given."""

        async def read() -> list[ArchivedLine]:
            async with open_by_index(self._pool) as connection:
                return await _read_lines(connection, _READ, ids)

        return await translate_errors(read)

    async def read_numbers(self) -> list[int]:
        """The numbers of all files that were ever noted."""
        return [row["number"] for row in await self._pool.read(_READ_NUMBERS)]

    async def read_files(self) -> list[ArchiveFile]:
        """All files that were ever noted."""
        return [_parse_file(row) for row in await self._pool.read(_READ_FILES)]

    async def read_unfinished(self) -> list[tuple[str, ArchiveFile]]:
        """The files whose orders are still to be removed, with the names of their archives."""
        rows = await self._pool.read(_READ_UNFINISHED)
        return [(row["archive"], _parse_file(row)) for row in rows]

    async def note_file(
        self, folder: Path, file: ArchiveFile, ids: Sequence[UUID], actor: Actor
    ) -> None:
        """Note a file, and the keys of its orders, before the first of them is removed."""
        told = {"file": file.name, "orders": file.orders, "events": file.events}

        async def note() -> None:
            async with open_by_index(self._pool) as connection:
                await connection.execute(
                    _NOTE_FILE,
                    file.number,
                    folder.name,
                    file.name,
                    bytes.fromhex(file.sha256),
                    file.orders,
                    file.events,
                    file.last_txid,
                )
                await connection.execute(_NOTE_NAMES, ids)
                await connection.execute(_NOTE_KEYS, ids)
                await append_entry(connection, actor, ARCHIVED, {**told, "sha256": file.sha256})

        await translate_errors(note)
        await self._pool.read(_ANALYZE_NAMES)

    async def await_writers(self) -> None:
        """Return when whoever stores orders and began before this call has ended."""
        deadline = monotonic() + WRITERS_WAIT_S
        writers = await self._list_writers()
        while writers:
            if monotonic() > deadline:
                reason = f"a transaction has written orders for over {WRITERS_WAIT_S:.0f} s"
                raise ArchiveError(f"{reason}: archive again once it has ended")
            await asyncio.sleep(WRITERS_POLL_S)
            writers &= await self._list_writers()

    async def _list_writers(self) -> set[str]:
        return {row["writer"] for row in await self._pool.read(_LIST_WRITERS)}

    async def remove(self, file: ArchiveFile, lines: Sequence[ArchivedLine]) -> int:
        """Remove orders with their events, those that are as their lines say; returns how many.

        Raises ``ArchiveError`` if one is neither there nor archived, or if the file is finished or
        forgotten.
        """

        async def remove() -> int:
            async with open_by_index(self._pool) as connection:
                if not await connection.fetch(_LOCK_FILE, file.number):
                    raise _build_finished_error(file)
                ids = [line.order_id for line in lines]
                rows = await _read_lines(connection, _READ_LOCKED, ids)
                await _require_archived(connection, set(ids) - {row.order_id for row in rows})
                texts = {line.order_id: line.text for line in lines}
                same = [row.order_id for row in rows if is_same(row.text, texts[row.order_id])]
                if same:
                    await connection.execute(_KEEP, same, file.number)
                    await connection.execute(_COUNT, same)
                    await connection.execute(_REMOVE_EVENTS, same)
                    await connection.execute(_REMOVE_ORDERS, same)
                return len(same)

        return await translate_errors(remove)

    async def set_removed(self, file: ArchiveFile) -> None:
        """Note that the orders of a file are removed. Raises ``ArchiveError`` as ``remove``."""
        if not await self._pool.read(_SET_REMOVED, file.number):
            raise _build_finished_error(file)


def _parse_file(row: asyncpg.Record) -> ArchiveFile:
    columns = ("number", "file", "sha256", "orders", "events", "last_txid")
    return ArchiveFile(*(row[column] for column in columns))


def _build_finished_error(file: ArchiveFile) -> ArchiveError:
    return ArchiveError(
        f"{file.name} is finished or forgotten, by another process that archives this database:"
        " nothing more was removed; archive again once that one has ended"
    )


async def _read_lines(
    connection: DatabaseConnection, statement: str, ids: Sequence[UUID]
) -> list[ArchivedLine]:
    rows = await connection.fetch(statement, ids)
    return [ArchivedLine(row["id"], row["line"]) for row in rows]


async def _require_archived(connection: DatabaseConnection, ids: set[UUID]) -> None:
    if not ids:
        return
    rows = await connection.fetch(_FIND_ARCHIVED, sorted(ids))
    if lost := ids - {row["id"] for row in rows}:
        raise ArchiveError(f"the order {min(lost)} is in the file, and nowhere in the database")


def is_same(row: str, line: str) -> bool:
    """Whether a row is as a line says; a column that was added since must be empty."""
    if row == line:
        return True
    now, then = json.loads(row), json.loads(line)
    added = now["order"].keys() - then["order"].keys()
    if any(now["order"][name] is not None for name in added):
        return False
    kept = {name: value for name, value in now["order"].items() if name not in added}
    return bool(kept == then["order"] and now["events"] == then["events"])
