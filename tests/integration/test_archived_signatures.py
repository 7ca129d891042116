"""Signatures of archived orders: wallets are known by them if they have no others."""

from __future__ import annotations

from pathlib import Path

from backend.store.database import open_pool
from backend.store.origin.journal_origin import JournalOrigin
from tests.integration.archives import archive_orders, insert_past_orders

_CONFIRMED = "UPDATE order_events SET data = '{\"txHash\": \"live\"}' WHERE status = 'confirmed'"


async def test_a_wallet_is_known_by_what_was_archived_if_it_has_nothing_newer(
    database_url: str, tmp_path: Path
) -> None:
    async with open_pool(database_url, connections_max=3) as pool:
        await insert_past_orders(pool, 1, 4)
        await insert_past_orders(pool, 5, 8, owner="another")
        await archive_orders(pool, tmp_path)
        origin = JournalOrigin(pool)
        confirmed = {f"signature-{n}" for n in (1, 2, 4, 5, 6, 8)}
        assert set(await origin.read_known("wallet")) == confirmed
        assert await origin.read_known("another") == []
        await insert_past_orders(pool, 9, 10)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(_CONFIRMED)
        assert set(await origin.read_known("wallet")) == {"live"}
