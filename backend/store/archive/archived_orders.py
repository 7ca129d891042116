"""Where orders are that were archived, for those who ask for one."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from backend.store.database import DatabasePool

_FIND: Final = """ -- find archived order
SELECT a.id, a.status::text, a.ended_at, f.archive, f.file, f.created_at AS archived_at
FROM archived_orders a JOIN archive_files f ON f.number = a.file_number
WHERE a.id = $1 AND a.owner = $2
"""
_FIND_BY_NAME: Final = """ -- find archived order by its client order id
SELECT a.id, a.status::text, a.ended_at, f.archive, f.file, f.created_at AS archived_at
FROM archived_names n JOIN archived_orders a ON a.id = n.order_id
JOIN archive_files f ON f.number = a.file_number
WHERE n.client_order_id = $1 AND n.owner = $2
"""
_READ_EXTENT: Final = """ -- read extent of archives
SELECT (SELECT count(*) FROM archive_files) AS files,
       (SELECT max(txid) FROM archive_removals) AS removed_txid
"""
_HAS_AFTER: Final = "SELECT EXISTS (SELECT FROM archive_files WHERE last_txid >= $1) AS has"


class ArchivedOrder(NamedTuple):
    """An order that was archived: how it ended, and the file that it is in."""

    id: UUID
    status: str
    ended_at: datetime
    archive: str
    file: str
    archived_at: datetime


class ArchiveExtent(NamedTuple):
    """How many files were noted, and the last transaction that removed orders of them."""

    files: int
    removed_txid: int | None


async def read_extent(pool: DatabasePool) -> ArchiveExtent:
    """How far archives are: another one once anything was archived. Raises ``Transient``."""
    [row] = await pool.read(_READ_EXTENT)
    return ArchiveExtent(*row)


class ArchivedOrders:
    """Finds archived orders. Its methods raise ``Transient``."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def find(self, owner: str, order_id: UUID) -> ArchivedOrder | None:
        """An archived order of an owner; ``None`` if it has none with this id."""
        rows = await self._pool.read(_FIND, order_id, owner)
        return ArchivedOrder(*rows[0]) if rows else None

    async def find_by_name(self, owner: str, client_order_id: str) -> ArchivedOrder | None:
        """The same by its client order id, as long as that is kept."""
        rows = await self._pool.read(_FIND_BY_NAME, client_order_id, owner)
        return ArchivedOrder(*rows[0]) if rows else None

    async def has_after(self, txid: int) -> bool:
        """Whether events were archived that this transaction or a later one has written."""
        [row] = await self._pool.read(_HAS_AFTER, txid)
        has: bool = row["has"]
        return has
