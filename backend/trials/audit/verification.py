"""Verifies the orders of a run as ``order-engine verify --chain`` does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from backend.chain.rpc.client import RpcClient
from backend.engine.verification import Verification, VerificationReport
from backend.store.database import open_pool
from backend.store.feed import Feed
from backend.store.verification import PAGE, JournalVerifier, VerificationFault

_STUCK_AFTER: Final = timedelta(hours=1)
"""The audit itself finds what is stuck."""


async def fetch_faults(
    database_url: str, chain_url: str, ids: Sequence[str]
) -> Sequence[VerificationFault]:
    """Fetch the faults of some orders. Raises ``Transient`` if a server cannot be used."""
    report = VerificationReport()
    async with open_pool(database_url, connections_max=1) as pool, RpcClient(chain_url) as node:
        verification = Verification(
            JournalVerifier(pool), Feed(pool), stuck_after=_STUCK_AFTER, node=node
        )
        for start in range(0, len(ids), PAGE):
            page = [UUID(each) for each in ids[start : start + PAGE]]
            await verification.verify_orders(page, report)
    return report.faults
