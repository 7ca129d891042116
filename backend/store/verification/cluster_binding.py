"""A database belongs to one cluster: its orders, pools and tokens are of that chain."""

from __future__ import annotations

from typing import Final

from backend.domain.errors import Rejected
from backend.store.database import DatabasePool

# One that has no orders yet is bound anew: nothing of it is of another chain.
_BIND: Final = """ -- bind cluster
WITH bound AS (
    UPDATE journal SET cluster = $1
    WHERE cluster IS DISTINCT FROM $1 AND (cluster IS NULL OR NOT EXISTS (SELECT FROM orders))
    RETURNING cluster
)
SELECT coalesce((SELECT cluster FROM bound), (SELECT cluster FROM journal)) AS cluster
"""


async def bind_cluster(pool: DatabasePool, cluster: str) -> None:
    """Bind the database to the cluster of the nodes.

    Raises ``Rejected`` if it has orders of another one, and ``Transient`` if it is unavailable.
    """
    [row] = await pool.read(_BIND, cluster)
    if row["cluster"] != cluster:
        raise Rejected(
            "another_cluster",
            f"the database at {pool.address} has orders of the cluster {row['cluster']}, and"
            f" SOLANA_RPC_URL is a node of {cluster}: give each cluster a database of its own",
        )
