"""A database belongs to one cluster: its orders, pools and tokens are of that chain."""

from __future__ import annotations

from typing import Final

from backend.domain.errors import Rejected
from backend.store.database import DatabasePool

# One that has no orders yet is bound anew: nothing of it is of another chain.
_BIND: Final = """ -- bind cluster
UPDATE journal SET cluster = $1
WHERE cluster IS DISTINCT FROM $1 AND (cluster IS NULL OR NOT EXISTS (SELECT FROM orders))
"""
# A statement of its own: one that has waited for another process sees the row as it was before.
_READ: Final = "SELECT cluster FROM journal"


async def bind_cluster(pool: DatabasePool, cluster: str) -> None:
    """Bind the database to the cluster of the nodes.

    Raises ``Rejected`` if it has orders of another one, and ``Transient`` if it is unavailable.
    """
    await pool.read(_BIND, cluster)
    [row] = await pool.read(_READ)
    if row["cluster"] != cluster:
        raise Rejected(
            "another_cluster",
            f"the database at {pool.address} has orders of the cluster {row['cluster']}, and"
            f" SOLANA_RPC_URL is a node of {cluster}: give each cluster a database of its own",
        )
