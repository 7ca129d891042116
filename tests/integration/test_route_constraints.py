"""What orders ask of their routes: over HTTP, in their rows, and wherever these are read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import asyncpg
import orjson
import pytest

from backend.domain.lifecycle import Cause
from backend.domain.orders import NewOrder, OrderTerms
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import TokenRegistry
from backend.store.late_amounts import LateAmountStore
from backend.store.reads.order_lists import OrderFilter
from backend.store.waiting.amendments import Amendment
from tests.bad_routes import POOL
from tests.integration.apis import ORDER, Json, RunningApi, open_api
from tests.integration.group_steps import build_step, claim, confirm, release, submit
from tests.integration.keyed_requests import BATCH, EXECUTE, count_orders, post
from tests.integration.stores import BRACKET, LIMIT_TERMS, ORDER_TERMS, new_order, open_store
from tests.integration.test_signed_claims import count_commits
from tests.integration.test_signed_claims import new_order as new_engine_order
from tests.integration.test_slices import TERMS as SLICED_TERMS
from tests.integration.test_slices import open_sliced
from tests.scenario import HAPPY_PATH, open_engine

ASKED = RouteConstraints(
    dexes=("raydium", "meteora/dlmm"),
    exclude_dexes=("raydium/amm_v4",),
    pools=(POOL,),
    max_legs=2,
    max_hops=1,
)
SHOWN: Json = {
    "dexes": ["raydium", "meteora/dlmm"],
    "excludeDexes": ["raydium/amm_v4"],
    "pools": [POOL],
    "maxLegs": 2,
    "maxHops": 1,
}
KINDS: dict[str, Json] = {
    "market": {},
    "limit": {"type": "limit", "limitPrice": "150"},
    "ioc limit": {"type": "limit", "limitPrice": "150", "timeInForce": "ioc"},
    "trailing stop": {"type": "trailingStop", "trailBps": 500},
    "twap": {"type": "twap", "slices": 2, "intervalS": 60},
}
_READ_COLUMN = "SELECT route_constraints FROM orders WHERE id = $1"


def ask(terms: OrderTerms) -> OrderTerms:
    return replace(terms, constraints=ASKED)


async def read_pending(api: RunningApi, order_id: str) -> Json:
    events = await api.get(f"/api/orders/{order_id}/events")
    return dict(events["events"][0])


def pick(shown: Json) -> Json:
    return {name: shown[name] for name in SHOWN if name in shown}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_order_of_any_type_shows_what_it_asks(
    database_url: str, redis_url: str, kind: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = {**ORDER, **KINDS[kind], **SHOWN, "clientOrderId": "one"}
        placed = await api.post(EXECUTE, body)
        order = await api.get(placed["statusUrl"])
        [listed] = (await api.get("/api/orders"))["orders"]
        assert pick(order) == pick(listed) == SHOWN
        assert pick(await read_pending(api, placed["orderId"])) == SHOWN
        plain = await api.get(f"/api/orders/{await api.place_order(**KINDS[kind])}")
        assert pick(plain) == {}


@pytest.mark.parametrize("by", ["header", "field"])
async def test_a_repeat_that_asks_something_else_is_a_conflict(
    database_url: str, redis_url: str, by: str
) -> None:
    headers = {"Idempotency-Key": "key"} if by == "header" else None
    named = {} if by == "header" else {"clientOrderId": "name"}
    async with open_api(database_url, redis_url) as api:
        body = {**ORDER, **named, "dexes": ["raydium", "meteora/dlmm"], "onlyDirect": True}
        first = await post(api, EXECUTE, body, headers)
        same = {**ORDER, **named, "dexes": ["Meteora/DLMM", "raydium"], "maxHops": 1}
        again = await post(api, EXECUTE, same, headers)
        assert (again[0], again[1]["orderId"], again[2]) == (202, first[1]["orderId"], True)
        for other in ({}, {"dexes": ["raydium"], "maxHops": 1}, {**same, "maxLegs": 1}):
            status, problem, _ = await post(api, EXECUTE, {**ORDER, **named, **other}, headers)
            assert status == 422
            assert problem["code"] in {"idempotency_key_reused", "client_order_id_reused"}
        assert await count_orders(api) == 1


async def test_the_orders_of_a_batch_each_ask_for_themselves(
    database_url: str, redis_url: str
) -> None:
    pair = {**ORDER, "type": "limit", "limitPrice": "150", "ocoGroup": "pair"}
    async with open_api(database_url, redis_url) as api:
        orders = [
            {**ORDER, "dexes": ["meteora"]},
            ORDER,
            {**ORDER, "dexes": ["orca"]},
            {**pair, "maxLegs": 1},
            pair,
        ]
        entries = (await api.post(BATCH, {"orders": orders}))["orders"]
        [error] = entries.pop(2)["problem"]["errors"]
        assert error["field"] == "dexes"
        assert "'orca' is none of raydium, meteora, raydium/cpmm" in error["reason"]
        placed = [await api.get(f"/api/orders/{entry['orderId']}") for entry in entries]
        assert [pick(each) for each in placed] == [{"dexes": ["meteora"]}, {}, {"maxLegs": 1}, {}]


async def test_a_quote_takes_what_an_order_takes(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.post("/api/quotes", {**ORDER, "dexes": []}, 422)
        assert [each["field"] for each in problem["errors"]] == ["dexes"]
        # No node answers here: what is asked was read, and its pools were.
        asked = {"dexes": ["raydium/cpmm", "meteora"], "maxLegs": 2, "onlyDirect": True}
        problem = await api.post("/api/quotes", {**ORDER, **asked}, 503)
        assert "errors" not in problem


async def test_a_row_has_what_its_order_asks_and_most_rows_nothing(database_url: str) -> None:
    async with open_store(database_url) as store:
        asking, plain = new_order(terms=ask(ORDER_TERMS)), new_order()
        for order in (plain, asking):
            await store.intake.accept(order)
        connection = await asyncpg.connect(database_url)
        assert await connection.fetchval(_READ_COLUMN, plain.id) is None
        text = await connection.fetchval(_READ_COLUMN, asking.id)
        await connection.close()
        assert orjson.loads(text) == SHOWN
        record = await store.orders.get("local", asking.id)
        assert record is not None
        assert record.constraints == ASKED
        assert (await claim(store, asking.id)).terms == asking.terms
        [(_, waiting)] = await store.leases.claim_waiting({"local": 5})
        assert (waiting.id, waiting.terms) == (plain.id, plain.terms)


async def test_an_order_that_waits_is_loaded_amended_and_claimed_with_what_it_asks(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        order = new_order(terms=ask(LIMIT_TERMS))
        await store.intake.accept(order)
        [record] = await store.waiting.load([order.id])
        assert record.terms == order.terms
        amended = replace(order.terms, slippage_bps=77)
        change = Amendment(order.id, "local", 2, order.terms, amended, None, None)
        assert await store.amendments.amend(change)
        assert await release(store, order.id) == {order.id}
        assert (await claim(store, order.id)).terms == amended


async def test_the_orders_of_a_bracket_ask_what_their_entry_has_asked(database_url: str) -> None:
    async with open_store(database_url) as store:
        entry = new_order(terms=ask(ORDER_TERMS), bracket=BRACKET)
        await store.intake.accept(entry)
        await confirm(store, await submit(store, await claim(store, entry.id)))
        which = OrderFilter(parent_id=entry.id)
        page = await store.orders.list_page("local", which, limit=9)
        assert [each.constraints for each in page] == [ASKED, ASKED]
        events = await store.feed.read_order_events(page[0].id, 0)
        assert pick(orjson.loads(events[0].data)) == SHOWN


async def test_an_entry_whose_amount_comes_late_asks_the_same(database_url: str) -> None:
    async with open_store(database_url) as store:
        entry = new_order(terms=ask(ORDER_TERMS), bracket=BRACKET)
        await store.intake.accept(entry)
        order = await submit(store, await claim(store, entry.id))
        await store.journal.record(build_step(order, Cause.LANDED))
        await store.pool.execute("UPDATE orders SET kick_at = now() WHERE id = $1", entry.id)
        [unknown] = await LateAmountStore(store.pool, TokenRegistry()).take_due(5)
        assert unknown.terms == entry.terms


async def test_the_slices_of_an_order_ask_what_it_asks(database_url: str) -> None:
    async with open_sliced(database_url, ask(SLICED_TERMS)) as sliced:
        assert (await sliced.load()).terms.constraints == ASKED
        child_id = await sliced.place_due()
        assert (await sliced.get(child_id)).constraints == ASKED
        assert pick((await sliced.read_events(child_id))[0][1]) == SHOWN
        assert (await claim(sliced.store, child_id)).terms.constraints == ASKED
    async with open_sliced(database_url) as sliced:
        assert (await sliced.get(await sliced.place_due())).constraints is None


async def test_a_claim_by_the_terms_of_a_job_compares_what_is_asked(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """As its job tells all of it, it is claimed with its transaction; else by a claim before."""
    asked = RouteConstraints(dexes=("raydium",), max_legs=1)
    async with open_engine(database_url, redis_url, data_dir) as engine:
        plain = new_engine_order(engine)
        asking = replace(plain, terms=replace(plain.terms, constraints=asked))
        other = replace(plain, terms=replace(plain.terms, constraints=replace(asked, max_legs=2)))
        cases: list[tuple[NewOrder, NewOrder, int]] = [
            (asking, asking, 3),
            (asking, plain, 4),
            (plain, asking, 4),
            (asking, other, 4),
        ]
        for stored, told, commits in cases:
            order_id = engine.services.new_id()
            await engine.services.intake.accept(replace(stored, id=order_id))
            await engine.services.jobs.send_order(replace(told, id=order_id))
            history = await engine.wait_ended(order_id)
            assert history.statuses == HAPPY_PATH
            assert count_commits(history) == commits, (stored.terms, told.terms)
            assert history.record.constraints == stored.terms.constraints
