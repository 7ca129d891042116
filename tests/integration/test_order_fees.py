"""What orders say of their fees: over HTTP, in their rows, and in the transactions that land."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from backend.domain.fees.order_fees import AUTO, OrderFees
from backend.domain.lifecycle import Cause, Status
from backend.domain.orders import NewOrder, OrderTerms
from backend.domain.tokens import TokenRegistry
from backend.store.late_amounts import LateAmountStore
from backend.store.reads.order_lists import OrderFilter
from backend.store.waiting.amendments import Amendment
from tests.integration.apis import ORDER, Json, open_api
from tests.integration.group_steps import build_step, claim, confirm, release, submit
from tests.integration.keyed_requests import BATCH, EXECUTE, count_orders, post
from tests.integration.signed_transactions import read_landed, read_submitted
from tests.integration.stores import BRACKET, LIMIT_TERMS, ORDER_TERMS, new_order, open_store
from tests.integration.test_route_constraints import KINDS
from tests.integration.test_signed_claims import count_commits
from tests.integration.test_signed_claims import new_order as new_engine_order
from tests.integration.test_slices import TERMS as SLICED_TERMS
from tests.integration.test_slices import open_sliced
from tests.scenario import HAPPY_PATH, EngineHarness, open_engine

SAID = OrderFees(AUTO, 20_000)
SHOWN: Json = {"priorityFee": "auto", "maxFeeLamports": 20_000}
GOING_PRICE = 100_000


def say(terms: OrderTerms, fees: OrderFees | None = SAID) -> OrderTerms:
    return replace(terms, fees=fees)


def pick(shown: Json) -> Json:
    return {name: shown[name] for name in SHOWN if name in shown}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_order_of_any_type_shows_what_it_says(
    database_url: str, redis_url: str, kind: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        placed = await api.post(EXECUTE, {**ORDER, **KINDS[kind], **SHOWN})
        order = await api.get(placed["statusUrl"])
        [listed] = (await api.get("/api/orders"))["orders"]
        assert pick(order) == pick(listed) == SHOWN
        events = await api.get(f"/api/orders/{placed['orderId']}/events")
        assert pick(events["events"][0]) == SHOWN
        plain = await api.get(f"/api/orders/{await api.place_order(**KINDS[kind])}")
        assert pick(plain) == {}


async def test_a_repeat_with_other_fees_is_a_conflict_and_the_ceiling_is_that_of_the_settings(
    database_url: str, redis_url: str
) -> None:
    headers = {"Idempotency-Key": "key"}
    settings = {"priority_fee_ceiling_lamports": 1_000}
    async with open_api(database_url, redis_url, **settings) as api:
        first = await post(api, EXECUTE, {**ORDER, "priorityFee": 1_000}, headers)
        again = await post(api, EXECUTE, {**ORDER, "priorityFee": 1_000.0}, headers)
        assert (again[1]["orderId"], again[2]) == (first[1]["orderId"], True)
        for other in ({}, {"priorityFee": "auto"}, {"priorityFee": 1_000, "maxFeeLamports": 6_000}):
            status, problem, _ = await post(api, EXECUTE, {**ORDER, **other}, headers)
            assert (status, problem["code"]) == (422, "idempotency_key_reused")
        assert await count_orders(api) == 1
        orders = [{**ORDER, "priorityFee": 1_001}, {**ORDER, **SHOWN}]
        refused, placed = (await api.post(BATCH, {"orders": orders}))["orders"]
        [error] = refused["problem"]["errors"]
        assert (error["field"], "is above 1000" in error["reason"]) == ("priorityFee", True)
        assert pick(await api.get(f"/api/orders/{placed['orderId']}")) == SHOWN


async def test_rows_have_the_fees_of_their_orders_wherever_they_are_read(database_url: str) -> None:
    async with open_store(database_url) as store:
        saying, plain = new_order(terms=say(ORDER_TERMS)), new_order()
        for order in (plain, saying):
            await store.intake.accept(order)
        record = await store.orders.get("local", saying.id)
        assert record is not None
        assert record.fees == SAID
        assert (await claim(store, saying.id)).terms == saying.terms
        assert (await claim(store, plain.id)).terms == plain.terms


async def test_an_order_that_waits_is_amended_and_claimed_with_its_fees(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = new_order(terms=say(LIMIT_TERMS, None))
        await store.intake.accept(order)
        for seq, fees in enumerate((SAID, OrderFees(7)), start=2):
            [record] = await store.waiting.load([order.id])
            amended = say(record.terms, fees)
            change = Amendment(order.id, "local", seq, record.terms, amended, None, None)
            assert await store.amendments.amend(change)
        events = await store.feed.read_order_events(order.id, 2)
        assert ['"auto"' in event.data for event in events] == [True, False]
        assert await release(store, order.id) == {order.id}
        assert (await claim(store, order.id)).terms.fees == OrderFees(7)


async def test_the_orders_of_a_bracket_say_what_their_entry_has_said(database_url: str) -> None:
    async with open_store(database_url) as store:
        entries = [new_order(terms=say(ORDER_TERMS), bracket=BRACKET) for _ in range(2)]
        for entry in entries:
            await store.intake.accept(entry)
        prompt, late = [await submit(store, await claim(store, each.id)) for each in entries]
        await confirm(store, prompt)
        which = OrderFilter(parent_id=prompt.id)
        page = await store.orders.list_page("local", which, limit=9)
        assert [each.fees for each in page] == [SAID, SAID]
        await store.journal.record(build_step(late, Cause.LANDED))
        await store.pool.execute("UPDATE orders SET kick_at = now() WHERE id = $1", late.id)
        [unknown] = await LateAmountStore(store.pool, TokenRegistry()).take_due(5)
        assert unknown.terms.fees == SAID


async def test_the_slices_of_an_order_say_what_it_says(database_url: str) -> None:
    async with open_sliced(database_url, say(SLICED_TERMS)) as sliced:
        child_id = await sliced.place_due()
        assert (await sliced.get(child_id)).fees == SAID
        assert (await claim(sliced.store, child_id)).terms.fees == SAID


async def test_a_claim_by_the_terms_of_a_job_compares_the_fees(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        plain = new_engine_order(engine)
        saying = replace(plain, terms=say(plain.terms))
        other = replace(plain, terms=say(plain.terms, OrderFees(max_fee=20_000)))
        cases: list[tuple[NewOrder, NewOrder, int]] = [
            (saying, saying, 3),
            (saying, plain, 4),
            (plain, saying, 4),
            (saying, other, 4),
        ]
        for stored, told, commits in cases:
            order_id = engine.services.new_id()
            await engine.services.intake.accept(replace(stored, id=order_id))
            await engine.services.jobs.send_order(replace(told, id=order_id))
            history = await engine.wait_ended(order_id)
            assert history.statuses == HAPPY_PATH
            assert count_commits(history) == commits, (stored.terms, told.terms)
            assert history.record.fees == stored.terms.fees


async def place(engine: EngineHarness, fees: OrderFees | None) -> UUID:
    terms = engine.build_terms("0.1", slippage_bps=500)
    [order_id] = await engine.place_orders(say(terms, fees))
    return order_id


async def test_transactions_pay_what_their_orders_say(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        for said in (None, OrderFees(700), OrderFees(0), OrderFees(max_fee=20_000)):
            history = await engine.wait_ended(await place(engine, said))
            assert history.statuses == HAPPY_PATH
            signed = (await read_landed(engine, history)).transaction
            fixed = None if said is None else said.fixed_priority_fee
            priority = signed.compute_unit_limit // 1_000 if fixed is None else fixed
            assert history.record.network_fee_lamports == signed.fee
            assert 5_000 + priority - 1 <= signed.fee <= 5_000 + priority + (fixed is None)
        refused = await engine.wait_ended(await place(engine, OrderFees(max_fee=5_001)))
        assert refused.statuses[-1] == "failed"
        assert refused.record.last_error is not None
        assert refused.record.last_error.startswith("fee_above_maximum: the network fee is at")
        assert refused.record.tx_hash is None


async def test_a_maximum_bounds_the_price_of_the_market(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """It pays its maximum, and lands once that suffices."""
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.control_node("congestion", {"unit_price": GOING_PRICE})
        await engine.control_node("advance", {"blocks": 30})
        landed = await engine.wait_ended(await place(engine, OrderFees(AUTO)))
        assert landed.statuses == HAPPY_PATH
        signed = (await read_landed(engine, landed)).transaction
        assert signed.compute_unit_price >= GOING_PRICE
        bounded = await place(engine, OrderFees(AUTO, 5_900))
        await engine.wait_status(bounded, Status.SUBMITTED)
        assert 5_899 <= (await read_submitted(database_url, bounded)).fee <= 5_900
        await engine.control_node("congestion", {"unit_price": 0})
        assert (await engine.wait_ended(bounded)).statuses == HAPPY_PATH
