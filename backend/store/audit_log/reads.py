"""Reads of the audit log: its rows by pages, and whether what it seals is as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import sha256
from typing import Final

import orjson

from backend.store.archive.archived_events import ArchivedEvents
from backend.store.archive.lost_files import FORGOTTEN
from backend.store.archive.row_removal import ARCHIVED
from backend.store.audit_log.chain import AuditHead, AuditRow, ChainVerifier
from backend.store.database import DatabasePool

PAGE_ROWS: Final = 10_000
SEALED: Final = "orders_sealed"
"""The action of the entries that seal the events of orders."""

_READ_HEAD: Final = "SELECT id, hash FROM audit_head"
_READ_FIRST_HASH: Final = "SELECT id::text AS id FROM journal"
_READ_PAGE: Final = f"""
SELECT id, at, who, address, request_id, action, data, previous, hash FROM audit_log
WHERE id > $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
ORDER BY id LIMIT {PAGE_ROWS}
"""  # noqa: S608 - constants only
_DIGEST: Final = "SELECT events, digest FROM digest_order_events($1, $2)"
# As digest_order_events hashes them.
_READ_EVENTS: Final = """
SELECT e.txid, e.order_id, e.seq, concat_ws(' ',
    e.txid, e.order_id, e.seq, e.status,
    to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.attempt,
    encode(o.request_hash, 'hex'), o.owner, e.data::text) AS line
FROM order_events e LEFT JOIN orders o ON o.id = e.order_id
WHERE e.txid >= $1 AND e.txid < $2
"""
_COUNT_ARCHIVED: Final = f"""
SELECT coalesce(sum((data::jsonb->>'events')::bigint
           * CASE action WHEN '{FORGOTTEN}' THEN -1 ELSE 1 END), 0)::bigint AS events
FROM audit_log WHERE action IN ('{ARCHIVED}', '{FORGOTTEN}')
"""  # noqa: S608 - constants only


async def read_rows(
    pool: DatabasePool, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[AuditRow]:
    """All rows in the order of their ids, or those of a time. Raises ``Transient``."""
    after = -(2**63)
    while rows := await pool.read(_READ_PAGE, after, since, until):
        for row in rows:
            yield AuditRow(**row)
        after = rows[-1]["id"]


async def read_head(pool: DatabasePool) -> AuditHead:
    """The last row as the database has noted it. Raises ``Transient``."""
    [row] = await pool.read(_READ_HEAD)
    return AuditHead(row["id"], row["hash"])


class AuditReport:
    """What a verification has found; ``faults`` are sentences."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.rows = 0
        self.sealed_events = 0
        self.archived_events = 0
        """Events that are sealed and were archived, whether or not the archive was read."""
        self.head: AuditHead | None = None


async def verify_log(
    pool: DatabasePool,
    noted: AuditHead | None = None,
    *,
    includes_events: bool = True,
    archives: ArchivedEvents | None = None,
) -> AuditReport:
    """Verify the whole log, and the events of orders that it seals. Raises ``Transient``.

    ``noted`` is a row that was noted elsewhere, which must still be there. Events that were
    archived are in ``archives``; without these their number alone is verified.
    """
    report = AuditReport()
    seals = _SealVerifier(pool, report, archives)
    report.head = await read_head(pool)
    [journal] = await pool.read(_READ_FIRST_HASH)
    verifier = ChainVerifier(AuditHead(0, sha256(journal["id"].encode()).digest()), noted)
    async for row in read_rows(pool):
        report.rows += 1
        report.faults += verifier.verify(row)
        if row.action == SEALED and includes_events:
            await seals.verify(row)
        if row.action in {ARCHIVED, FORGOTTEN}:
            seals.note_file(row)
    seals.require_files()
    if includes_events:
        await seals.verify_archived_count()
    report.faults += verifier.verify_end(report.head)
    report.head = await read_head(pool)  # rows may have been appended meanwhile
    if verifier.last is not None and verifier.last.id > report.head.id:
        first, end = report.head.id + 1, verifier.last.id
        report.faults.append(f"rows {first} to {end} come after the last one: they were inserted")
    return report


class _SealVerifier:
    """Compares the events that entries seal with those that are there, and that were archived."""

    def __init__(
        self, pool: DatabasePool, report: AuditReport, archives: ArchivedEvents | None
    ) -> None:
        self._pool = pool
        self._report = report
        self._archives = archives
        self._archived_max: int | None = None
        self._files: dict[str, str] = {}

    async def verify(self, row: AuditRow) -> None:
        """Verify the events that a row seals."""
        report = self._report
        try:
            seal = orjson.loads(row.data)
            first, end = int(seal["fromTxid"]), int(seal["toTxid"])
            noted = int(seal["events"]), str(seal["sha256"])
        except (KeyError, TypeError, ValueError):
            report.faults.append(f"row {row.id} seals nothing that can be read")
            return
        events, digest = await self._read_digest(first, end, noted)
        report.sealed_events += events
        if events < noted[0] and self._archives is None and await self._count_archived():
            report.archived_events += noted[0] - events
        elif events != noted[0]:
            report.faults.append(
                f"events of orders of the transactions {first} to {end - 1}: {events} are"
                f" there, and row {row.id} seals {noted[0]}"
            )
        elif digest != noted[1]:
            report.faults.append(
                f"events of orders of the transactions {first} to {end - 1} are not as row {row.id}"
                " seals them: one was altered, or its order has another owner or request"
            )

    async def _read_digest(self, first: int, end: int, noted: tuple[int, str]) -> tuple[int, str]:
        """The number and the hash of the events of a range, also of those that were archived."""
        [found] = await self._pool.read(_DIGEST, first, end)
        counted = found["events"], found["digest"]
        if counted == noted or self._archives is None:
            return counted
        lines = self._archives.read(first, end)
        archived = len(lines)
        for row in await self._pool.read(_READ_EVENTS, first, end):
            lines[row["txid"], row["order_id"].bytes, row["seq"]] = row["line"]
        self._report.archived_events += min(archived, len(lines) - found["events"])
        text = "\n".join(lines[key] for key in sorted(lines))
        return len(lines), sha256(text.encode()).hexdigest()

    def note_file(self, row: AuditRow) -> None:
        """Note the file of an archive that a row names, or forgets."""
        try:
            told = orjson.loads(row.data)
            name, digest = str(told["file"]), str(told["sha256"])
        except (KeyError, TypeError, ValueError):
            self._report.faults.append(f"row {row.id} names no file that can be read")
            return
        if row.action == FORGOTTEN:
            self._files.pop(digest, None)
        else:
            self._files[digest] = f"the file {name} of row {row.id}"

    def require_files(self) -> None:
        """A fault for each file that is in no archive that was read, if any was."""
        if self._archives is not None:
            self._report.faults += [
                f"{file} is in no archive that was given as it was written"
                for digest, file in self._files.items()
                if digest not in self._archives.sha256s
            ]

    async def verify_archived_count(self) -> None:
        """A fault if more events are missing than the log says were archived."""
        count, missing = await self._count_archived(), self._report.archived_events
        if missing > count:
            self._report.faults.append(
                f"{missing} events that are sealed are missing, and {count} were archived: some"
                " were removed; with its archive the verification names the transactions"
            )

    async def _count_archived(self) -> int:
        if self._archived_max is None:
            [row] = await self._pool.read(_COUNT_ARCHIVED)
            self._archived_max = row["events"]
        return self._archived_max
