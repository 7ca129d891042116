"""What compares the journal with the chain, where PostgreSQL may have lost commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from backend.chain.signing.signer import Signer
from backend.config import Settings
from backend.config.settings import OFF
from backend.domain.errors import Transient
from backend.engine.shared_services import SharedServices
from backend.execution.history.reconciliation import JournalReconciler
from backend.execution.history.wallet_history import WalletHistory
from backend.runtime.redis.cluster import build_key_prefix
from backend.runtime.redis.mark import RedisMark
from backend.runtime.startup import wait_for_server
from backend.store.origin.journal_origin import JournalOrigin


async def start_journal_reconciler(
    settings: Settings, shared: SharedServices, wallets: Sequence[Signer], stop: asyncio.Event
) -> JournalReconciler:
    """Wire the comparison for the wallets of a worker; the journal is complete, or held.

    Raises ``StartInterrupted`` once ``stop`` is set.
    """
    origin = JournalOrigin(shared.pool)
    addresses = [each.address for each in wallets]
    reconciler = JournalReconciler(
        shared.pool,
        shared.rpc,
        WalletHistory(shared.pool, origin, shared.rpc, addresses),
        origin,
        RedisMark(shared.redis, f"{build_key_prefix(shared.redis, shared.journal_id)}position"),
        venues=shared.cluster.venues.all,
        on_commit=shared.notifier.notify,
        is_on=settings.journal_reconciliation != OFF,
    )
    await wait_for_server("PostgreSQL", reconciler.start, away=(Transient,), stop=stop)
    return reconciler
