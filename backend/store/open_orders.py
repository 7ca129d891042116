"""The number of open orders of each owner, for the bounds on them."""

from __future__ import annotations

from backend.store.database import DatabasePool

_COUNT_BY_OWNER = "SELECT owner, count(*) AS n FROM orders WHERE open GROUP BY owner"


class OpenOrderCounts:
    """Counts open orders."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def count_by_owner(self) -> dict[str, int]:
        """The open orders of each owner that has any; it reads the open orders only.

        Raises ``Transient`` while PostgreSQL is unavailable.
        """
        rows = await self._pool.read(_COUNT_BY_OWNER)
        return {row["owner"]: row["n"] for row in rows}
