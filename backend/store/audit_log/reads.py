"""Reads of the audit log: its rows by pages, and whether what it seals is as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import sha256
from typing import Final

import orjson

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
        self.head: AuditHead | None = None


async def verify_log(
    pool: DatabasePool, noted: AuditHead | None = None, *, includes_events: bool = True
) -> AuditReport:
    """Verify the whole log, and the events of orders that it seals. Raises ``Transient``.

    ``noted`` is a row that was noted elsewhere, which must still be there.
    """
    report = AuditReport()
    report.head = await read_head(pool)
    [journal] = await pool.read(_READ_FIRST_HASH)
    verifier = ChainVerifier(AuditHead(0, sha256(journal["id"].encode()).digest()))
    async for row in read_rows(pool):
        report.rows += 1
        report.faults += verifier.verify(row)
        if noted is not None and row.id == noted.id and row.hash != noted.hash:
            report.faults.append(f"row {row.id} is not the one that was noted: it was written anew")
        if row.action == SEALED and includes_events:
            await _verify_seal(pool, row, report)
    report.faults += verifier.verify_end(report.head)
    if noted is not None and noted.id > report.head.id:
        report.faults += verifier.verify_end(noted)
    report.head = await read_head(pool)  # rows may have been appended meanwhile
    if verifier.last is not None and verifier.last.id > report.head.id:
        first, end = report.head.id + 1, verifier.last.id
        report.faults.append(f"rows {first} to {end} come after the last one: they were inserted")
    return report


async def _verify_seal(pool: DatabasePool, row: AuditRow, report: AuditReport) -> None:
    try:
        seal = orjson.loads(row.data)
        first, end = int(seal["fromTxid"]), int(seal["toTxid"])
        noted = int(seal["events"]), str(seal["sha256"])
    except (KeyError, TypeError, ValueError):
        report.faults.append(f"row {row.id} seals nothing that can be read")
        return
    [found] = await pool.read(_DIGEST, first, end)
    report.sealed_events += found["events"]
    if found["events"] != noted[0]:
        report.faults.append(
            f"events of orders of the transactions {first} to {end - 1}: {found['events']} are"
            f" there, and row {row.id} seals {noted[0]}"
        )
    elif found["digest"] != noted[1]:
        report.faults.append(
            f"events of orders of the transactions {first} to {end - 1} are not as row {row.id}"
            " seals them: one was altered, or its order has another owner or request"
        )
