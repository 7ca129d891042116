"""Files of archives that are lost before the first of their orders was removed."""

from __future__ import annotations

from typing import Final

from backend.store.archive.archiver import IS_ARCHIVING, LOCK
from backend.store.archive.errors import ArchiveError
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import translate_errors

FORGOTTEN: Final = "archive_file_forgotten"
"""The action of the entries of the audit log that name such a file."""

# It waits for transactions that remove orders of the file: also for one whose archiver was killed.
_LOCK: Final = """ -- lock archive file to forget
SELECT archive, file, encode(sha256, 'hex') AS sha256, orders, events,
       removed_at IS NOT NULL AS is_removed
FROM archive_files WHERE number = $1 FOR UPDATE
"""
# A statement of its own: that of the lock does not see what was committed while it has waited.
_COUNT_ARCHIVED: Final = """ -- count archived orders of a file
SELECT count(*) FROM archived_orders WHERE file_number = $1
"""
_SET_REMOVED: Final = "UPDATE archive_files SET removed_at = now() WHERE number = $1"


async def forget_file(pool: DatabasePool, number: int, actor: Actor) -> str:
    """Have archives go on without a file that is noted; returns where it was.

    All its orders are in the tables: a later file has them. Its number is not used again. Raises
    ``Transient``, and ``ArchiveError`` if it is needed.
    """

    async def forget() -> str:
        async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
            return await _forget(connection, number, actor)

    return await translate_errors(forget)


async def _forget(connection: DatabaseConnection, number: int, actor: Actor) -> str:
    if not await connection.fetchval(LOCK):
        raise ArchiveError(IS_ARCHIVING)
    row = await connection.fetchrow(_LOCK, number)
    if row is None:
        raise ArchiveError(f"no file of an archive has the number {number}")
    where = f"{row['archive']}/{row['file']}"
    if archived := await connection.fetchval(_COUNT_ARCHIVED, number):
        raise ArchiveError(
            f"{where} is needed: {archived:,} of its {row['orders']:,} orders are nowhere"
            " else; find its folder, or restore it from a backup"
        )
    if row["is_removed"]:
        raise ArchiveError(f"{where} is finished: nothing waits for it")
    await connection.execute(_SET_REMOVED, number)
    told = {name: row[name] for name in ("file", "orders", "events", "sha256")}
    await append_entry(connection, actor, FORGOTTEN, told)
    return where
