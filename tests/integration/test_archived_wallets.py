"""Wallets that were not compared for days, while orders of theirs were archived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.store.database import DatabasePool, open_pool
from backend.store.wallets.reconciliations import (
    Baseline,
    OrderChange,
    read_changes,
    read_differences,
    read_unknown_fees,
)
from tests.integration.archives import age_orders, archive_orders, insert_past_orders
from tests.integration.test_wallets import SOL_UNIT, WAIT_S, fund, run_engine, write_wallets
from tests.scenario import EngineHarness, OrderHistory

_COMPARED = "SELECT FROM wallet_balances WHERE read_at > now() - interval '1 d'"
_AGE_BALANCES = "UPDATE wallet_balances SET read_at = read_at - $1::int * interval '1 d'"
_READ_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_SET_BASELINE = """
INSERT INTO wallet_balances (wallet, token, slot, horizon, read_at)
VALUES ($1, 'SOL', 0, 0, now() - $2::int * interval '1 d')
ON CONFLICT (wallet, token) DO UPDATE SET read_at = excluded.read_at
"""
_OTHER_TOKEN = "BONK"


@dataclass(frozen=True, slots=True)
class ArchivedWallet:
    """A wallet with 50 SOL that was compared once, and the archive of its orders."""

    engine: EngineHarness
    pool: DatabasePool
    address: str
    folder: Path

    async def fund(self, token: str, amount: int) -> None:
        await fund(self.engine, self.address, token, amount)

    async def execute_order(self) -> OrderHistory:
        ids = await self.engine.place_orders(self.engine.build_terms("1"))
        [history] = await self.engine.wait_all_ended(ids)
        assert history.statuses[-1] == "confirmed"
        return history

    async def archive(self) -> int:
        """Archive all orders; returns how many."""
        await age_orders(self.pool, 100)
        await self.pool.execute(_AGE_BALANCES, 100)
        return await archive_orders(self.pool, self.folder)

    async def compare(self) -> list[tuple[str, int]]:
        """Compare what the wallet holds after 8 days; returns all differences that were told."""
        await self.pool.execute(_AGE_BALANCES, 8)
        await self.engine.workers.start()
        async with asyncio.timeout(WAIT_S):
            while not await self.pool.fetch(_COMPARED):
                await asyncio.sleep(0.05)
        return [(each.token, each.amount) for each in await read_differences(self.pool)]


@asynccontextmanager
async def open_wallet(
    database_url: str, redis_url: str, data_dir: Path
) -> AsyncIterator[ArchivedWallet]:
    wallets = write_wallets(data_dir, 1)
    async with (
        run_engine(
            database_url, redis_url, data_dir, wallets, workers=0, reconcile_s=3600
        ) as engine,
        open_pool(database_url, connections_max=3) as pool,
    ):
        wallet = ArchivedWallet(engine, pool, wallets.addresses[0], data_dir / "archive")
        await wallet.fund("SOL", 50 * SOL_UNIT)
        assert await wallet.compare() == []
        yield wallet


async def test_orders_that_were_archived_before_a_wallet_was_compared_are_no_difference(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_wallet(database_url, redis_url, data_dir) as wallet:
        await wallet.execute_order()
        # The fee of an attempt that is reverted is paid; when, the archive does not know.
        await wallet.engine.inject_fault(fault="fail", reason="slippage", count=1)
        retried = await wallet.execute_order()
        assert len(retried.event_data("submitted")) == 2
        assert await wallet.archive() == 2
        assert await wallet.compare() == []


async def test_what_archived_orders_do_not_explain_is_told(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_wallet(database_url, redis_url, data_dir) as wallet:
        await wallet.execute_order()
        await wallet.fund(_OTHER_TOKEN, 5_000_000)
        assert await wallet.archive() == 1
        told = [(_OTHER_TOKEN, 5_000_000)]
        assert await wallet.compare() == told
        # One that the baseline covers, in a file with newer orders of others.
        await wallet.execute_order()
        assert await wallet.compare() == told
        await insert_past_orders(wallet.pool, 1, 4)
        await wallet.fund("SOL", 9 * SOL_UNIT)
        assert await wallet.archive() == 5
        assert await wallet.compare() == [("SOL", 9 * SOL_UNIT), *told]


async def test_what_archived_orders_did_is_read_by_slots_and_their_failed_fees_by_time(
    database_url: str, tmp_path: Path
) -> None:
    async def read(days: int, slot: int) -> tuple[Sequence[OrderChange], int]:
        await pool.execute(_SET_BASELINE, "wallet", days)
        baseline = Baseline({}, slot, horizon, is_due=True)
        return (
            await read_changes(pool, "wallet", baseline, 2_000),
            await read_unknown_fees(pool, "wallet", baseline),
        )

    async with open_pool(database_url, connections_max=3) as pool:
        horizon = await pool.fetchval(_READ_HORIZON)
        await insert_past_orders(pool, 1, 4)  # the third one failed
        await pool.execute("UPDATE orders SET tip_lamports = 30, rent_lamports = 2")
        before, _ = await read(300, 1_234)
        await archive_orders(pool, tmp_path)
        changes, fees = await read(300, 1_234)
        assert sorted(changes) == sorted(before)
        assert [each.cost_lamports for each in changes] == [5_032] * 3
        assert fees == 5_000
        assert await read(100, 1_235) == ([], 0)
