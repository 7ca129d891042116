"""Steps of orders of groups, and of entries with a bracket, on the store's components."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from backend.domain.groups.children import build_children
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import LeasedOrder, NewOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.store.transitions import IntermediateStep, Transition
from backend.store.waiting.waiting_orders import MetTrigger
from tests.integration.stores import BRACKET, LIMIT_TERMS, Store, new_order

RECEIVED = 120_000_000
_READ_EVENTS = """
SELECT seq, status::text, txid, data::text FROM order_events WHERE order_id = $1 ORDER BY seq
"""
_READ_CHILDREN = """
SELECT id, owner, status::text, type::text, token_in, token_out, amount_in::bigint,
       min_amount_out::bigint, slippage_bps, seq, oco_group, batch_id, expires_at
FROM orders WHERE parent_id = $1 ORDER BY type DESC
"""


async def accept_pair(store: Store) -> tuple[UUID, UUID]:
    """Two limits of one group."""
    group = uuid7()
    orders = [new_order(terms=LIMIT_TERMS, oco_group=group) for _ in range(2)]
    for order in orders:
        await store.intake.accept(order)
    return orders[0].id, orders[1].id


async def find_met(store: Store, *order_ids: UUID) -> list[MetTrigger]:
    """What a watcher releases of these orders, if their prices are met."""
    records = {record.id: record for record in await store.waiting.load(order_ids)}
    return [
        MetTrigger(each, records[each].seq, "local", "{}", oco_group=records[each].oco_group)
        for each in order_ids
        if each in records
    ]


async def release(store: Store, *order_ids: UUID) -> set[UUID]:
    return await store.waiting.release(await find_met(store, *order_ids))


async def claim(store: Store, order_id: UUID) -> LeasedOrder:
    order = await store.leases.claim(order_id)
    assert order is not None
    return order


def build_step(
    order: LeasedOrder, cause: Cause, *, via: IntermediateStep | None = None, **fields: Any
) -> Transition:
    at = order.status if via is None else via.step.status
    return Transition(order, advance(at, order.attempt, cause), "{}", via, **fields)


async def submit(store: Store, order: LeasedOrder) -> LeasedOrder:
    """From ``routing`` to ``submitted`` in one commit."""
    via = IntermediateStep(advance(order.status, order.attempt, Cause.ROUTED), "{}")
    signed = SignedTransaction("signature", b"bytes", 7)
    await store.journal.record(
        build_step(order, Cause.SIGNED, via=via, dex=Dex.RAYDIUM, route="{}", signed=signed)
    )
    return replace(order, status=Status.SUBMITTED, seq=order.seq + 2, signed=signed)


async def confirm(store: Store, order: LeasedOrder) -> None:
    children = build_children(order.id, order.terms, order.bracket, RECEIVED)
    await store.journal.record(
        build_step(
            order,
            Cause.LANDED,
            children=children,
            amount_out=RECEIVED,
            executed_price="120",
        )
    )


async def read_statuses(store: Store) -> dict[UUID, str]:
    return {
        row["id"]: row["status"]
        for row in await store.pool.fetch("SELECT id, status::text FROM orders")
    }


async def read_events(store: Store, order_id: UUID) -> list[asyncpg.Record]:
    return list(await store.pool.fetch(_READ_EVENTS, order_id))


async def assert_told_in_order(store: Store) -> None:
    """In the feed, which is in the order of transactions, no step comes before an earlier one."""
    rows = await store.pool.fetch("SELECT order_id, txid FROM order_events ORDER BY order_id, seq")
    by_order: dict[UUID, list[int]] = {}
    for row in rows:
        by_order.setdefault(row["order_id"], []).append(row["txid"])
    for txids in by_order.values():
        assert txids == sorted(txids)


async def accept_entry(store: Store, owner: str = "local") -> NewOrder:
    """An order that has a bracket."""
    order = new_order(owner=owner, bracket=BRACKET)
    await store.intake.accept(order)
    return order


async def load_children(store: Store, entry: NewOrder) -> list[asyncpg.Record]:
    """The orders that have come to be of a bracket."""
    return list(await store.pool.fetch(_READ_CHILDREN, entry.id))
