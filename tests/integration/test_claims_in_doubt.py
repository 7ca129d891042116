"""Two jobs of one order that claim it by their transactions: each knows whose was stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.domain.terms_text import format_terms_text, parse_terms_text
from backend.domain.tokens import TokenRegistry
from backend.store import journal
from backend.store.transitions import (
    IntermediateStep,
    LeaseLost,
    Transition,
    is_stored,
    key_steps,
)
from tests.integration.stores import Store, new_order, open_store

_READ = "SELECT tx_hash, seq, epoch FROM orders WHERE id = $1"
_READ_SUBMITTED = "SELECT data FROM order_events WHERE order_id = $1 AND status = 'submitted'"


async def accept_unclaimed(store: Store) -> tuple[LeasedOrder, str]:
    order = new_order()
    await store.intake.accept(order)
    text = format_terms_text(order)
    assert text is not None
    unclaimed = parse_terms_text(order.id, text, TokenRegistry())
    assert unclaimed is not None
    return unclaimed, text


def build_claim(order: LeasedOrder, text: str, signature: str) -> Transition:
    routed = IntermediateStep(advance(Status.ROUTING, 1, Cause.ROUTED), "{}")
    step, signed = advance(Status.BUILDING, 1, Cause.SIGNED), SignedTransaction(signature, b"x", 7)
    data = f'{{"txHash": "{signature}"}}'
    return Transition(order, step, data, routed, text, dex=Dex.RAYDIUM, route="{}", signed=signed)


async def record_all(store: Store, *transitions: Transition) -> list[bool]:
    async def record(transition: Transition) -> bool:
        try:
            await store.journal.record(transition)
        except LeaseLost:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(record(each)) for each in transitions]
    return [task.result() for task in tasks]


async def read_signature(store: Store, order_id: UUID) -> str:
    row = await store.pool.fetchrow(_READ, order_id)
    assert row is not None
    assert (row["seq"], row["epoch"]) == (4, 1)
    signature: str = row["tx_hash"]
    return signature


async def test_a_claim_that_comes_late_is_not_taken_for_the_step_with_the_same_transaction(
    database_url: str,
) -> None:
    """One job has claimed the order already when that of another job is recorded beside it."""
    async with open_store(database_url) as store:
        for is_late_first in (True, False):
            order, text = await accept_unclaimed(store)
            leased = await store.leases.claim(order.id)
            assert leased is not None
            late = build_claim(order, text, "same")
            own = replace(late, order=leased, claim=None)
            pair = (late, own) if is_late_first else (own, late)
            assert await record_all(store, *pair) == [each is own for each in pair]
            told = [each for commit in store.commits for each in commit.events or ()]
            seqs = [each.seq for each in told if each.order_id == order.id]
            assert sorted(seqs) == [1, 2, 3, 4]


async def test_of_two_claims_in_one_commit_one_is_stored_with_its_own_event(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        for _ in range(10):
            order, text = await accept_unclaimed(store)
            names = ["first", "second", "third"]
            claims = [build_claim(order, text, name) for name in names]
            stored = await record_all(store, *claims)
            signature = await read_signature(store, order.id)
            assert [name for name, done in zip(names, stored, strict=True) if done] == [signature]
            [row] = await store.pool.fetch(_READ_SUBMITTED, order.id)
            assert signature in row["data"]
            told = [each for commit in store.commits for each in commit.events or ()]
            submitted = [e for e in told if e.order_id == order.id and e.status == "submitted"]
            assert [signature in each.data for each in submitted] == [True]


async def test_a_claim_that_another_worker_stored_is_not_taken_for_one_s_own_in_doubt(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        order, text = await accept_unclaimed(store)
        await store.journal.record(build_claim(order, text, "theirs"))
        keys = [order.id], [order.epoch], [order.seq], ["building"], [text]
        rows = await store.pool.fetch(journal._FIND_RECORDED, *keys)
        found = key_steps(rows)
        assert is_stored(build_claim(order, text, "theirs"), found)
        assert not is_stored(build_claim(order, text, "mine"), found)
