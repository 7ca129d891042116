"""Orders that stay because they have changed, where those that they made were archived."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backend.store.verification import JournalVerifier
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.archives import (
    age_orders,
    archive_orders,
    await_blocked,
    block_rows,
    list_ids,
)
from tests.integration.group_steps import accept_entry, claim, confirm, load_children, submit
from tests.integration.stores import open_store

_CHANGE = "UPDATE orders SET rent_lamports = 7 WHERE parent_id IS NULL"


async def test_an_entry_has_the_orders_of_its_bracket_in_the_archive(
    database_url: str, tmp_path: Path
) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store)
        await confirm(store, await submit(store, await claim(store, entry.id)))
        for child in await load_children(store, entry):
            await store.cancellations.cancel("local", child["id"], CancelReason.REQUESTED)
        await age_orders(store.pool, 100)
        locked = block_rows(store.pool, "SELECT FROM orders FOR UPDATE")
        async with asyncio.TaskGroup() as group, locked as holder:
            archiving = group.create_task(archive_orders(store.pool, tmp_path))
            await await_blocked(store.pool)
            await holder.execute(_CHANGE)
        assert archiving.result() == 2
        assert await list_ids(store.pool) == {entry.id}
        verifier = JournalVerifier(store.pool)
        faults = await verifier.find_faults([entry.id])
        assert [each.rule for each in faults if each.rule == "bracket"] == []
        await store.pool.execute("DELETE FROM archived_orders")
        faults = await verifier.find_faults([entry.id])
        assert [each.rule for each in faults if each.rule == "bracket"] == ["bracket"]
