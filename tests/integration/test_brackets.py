"""Brackets on a real database: their orders exist from the commit on that tells what they sell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg
import orjson
from prometheus_client import REGISTRY

from backend.domain.amounts import TransactionCosts
from backend.domain.groups.children import build_children, derive_group
from backend.domain.lifecycle import Cause
from backend.domain.tokens import TokenRegistry
from backend.store.late_amounts import LateAmount, LateAmountStore
from backend.store.transitions import LeaseLost
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.group_steps import (
    RECEIVED,
    accept_entry,
    accept_pair,
    build_step,
    claim,
    confirm,
    load_children,
    read_events,
    read_statuses,
    release,
    submit,
)
from tests.integration.stores import BRACKET, ORDER_TERMS, new_order, open_store


async def test_the_orders_of_a_bracket_come_to_be_in_the_commit_that_confirms_its_entry(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store, owner="anna")
        order = await submit(store, await claim(store, entry.id))
        assert order.bracket == BRACKET
        assert await load_children(store, entry) == []
        await confirm(store, order)
        group = derive_group(entry.id, BRACKET)
        children = await load_children(store, entry)
        assert [tuple(each)[1:] for each in children] == [
            ("anna", "waiting", kind, "USDC", "SOL", RECEIVED, least, bps, 2, group, None, None)
            for kind, least, bps in (("takeProfit", 12 * RECEIVED, 50), ("stop", None, 300))
        ]
        txid = (await read_events(store, entry.id))[-1]["txid"]
        for child in children:
            events = await read_events(store, child["id"])
            assert [(each["status"], each["txid"]) for each in events] == [
                ("pending", txid),
                ("waiting", txid),
            ]
            data = orjson.loads(events[0]["data"])
            assert (data["parentId"], data["ocoGroup"]) == (str(entry.id), str(group))
        assert store.commits[-1].begins_wait
        records = await store.waiting.load([each["id"] for each in children])
        assert {record.oco_group for record in records} == {group}
        assert await release(store, *(each["id"] for each in children)) == {children[0]["id"]}


async def test_an_entry_that_is_not_filled_has_no_children(database_url: str) -> None:
    async with open_store(database_url) as store:
        failed, cancelled = await accept_entry(store), await accept_entry(store)
        order = await claim(store, failed.id)
        await store.journal.record(build_step(order, Cause.REJECTED, last_error="x: y"))
        await store.cancellations.cancel("local", cancelled.id, CancelReason.REQUESTED)
        assert len(await read_statuses(store)) == 2


async def test_a_stale_worker_places_no_children(database_url: str) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store)
        order = await submit(store, await claim(store, entry.id))
        stale = replace(order, epoch=order.epoch - 1)
        for each, is_stored in ((stale, False), (order, True), (order, False)):
            try:
                await confirm(store, each)
            except LeaseLost:
                assert not is_stored
            assert len(await load_children(store, entry)) == (2 if each is order else 0)


async def test_children_come_with_an_amount_that_comes_late(database_url: str) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store)
        order = await submit(store, await claim(store, entry.id))
        await store.journal.record(build_step(order, Cause.LANDED))
        assert await load_children(store, entry) == []
        amounts = LateAmountStore(store.pool, TokenRegistry())
        await store.pool.execute("UPDATE orders SET kick_at = now() WHERE amount_pending")
        [unknown] = await amounts.take_due(10)
        assert (unknown.terms, unknown.bracket) == (ORDER_TERMS, BRACKET)
        children = build_children(entry.id, unknown.terms, unknown.bracket, RECEIVED)
        late = LateAmount(entry.id, RECEIVED, "120", TransactionCosts(5_000, 0), children)
        accepted = REGISTRY.get_sample_value("orders_accepted_total") or 0
        for amount in (late, replace(late, amount_out=7)):
            await amounts.store([amount])
        placed = await load_children(store, entry)
        assert [each["amount_in"] for each in placed] == [RECEIVED] * 2
        assert {each["status"] for each in placed} == {"waiting"}
        for each in placed:
            assert len(await read_events(store, each["id"])) == 2
        assert REGISTRY.get_sample_value("orders_accepted_total") == accepted + 2


async def test_the_orders_of_one_call_are_each_found_by_their_id(database_url: str) -> None:
    """Also when orders of groups are beside others in one commit."""
    async with open_store(database_url) as store:
        pair, entry = await accept_pair(store), await accept_entry(store)
        plain = await store.intake.accept(new_order())
        await release(store, pair[0])
        ids: Sequence[UUID] = (pair[0], entry.id, plain.id)
        orders = [await submit(store, await claim(store, each)) for each in ids]
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(confirm(store, order))
        statuses = await read_statuses(store)
        assert [statuses[each] for each in ids] == ["confirmed"] * 3
        assert statuses[pair[1]] == "cancelled"
        assert len(await load_children(store, entry)) == 2


async def test_a_confirmation_that_cannot_be_stored_takes_no_other_one_with_it(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        entry, plain = await accept_entry(store), await store.intake.accept(new_order())
        bad = await submit(store, await claim(store, entry.id))
        good = await submit(store, await claim(store, plain.id))
        children = build_children(bad.id, bad.terms, bad.bracket, RECEIVED)
        # Without its price, which the table does not take.
        unpriced = build_step(bad, Cause.LANDED, children=children, amount_out=RECEIVED)
        recorded = asyncio.gather(  # noqa: TID251 - one of them fails
            store.journal.record(unpriced), confirm(store, good), return_exceptions=True
        )
        error, nothing = await recorded
        assert isinstance(error, asyncpg.CheckViolationError)
        assert nothing is None
        statuses = await read_statuses(store)
        assert (statuses[entry.id], statuses[plain.id]) == ("submitted", "confirmed")
        assert await load_children(store, entry) == []
