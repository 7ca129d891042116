"""Lists of orders by a leg of their route: searched in steps, each of so many orders."""

from __future__ import annotations

from uuid import UUID

import orjson
import pytest

from backend.domain.lifecycle import Cause
from backend.domain.quotes import Dex
from backend.store.reads import leg_search, queries
from backend.store.reads.order_lists import ListPosition, OrderFilter
from backend.store.withdrawals.cancellations import CancelReason
from tests.bad_routes import POOL
from tests.integration.apis import ORDER, RunningApi, open_api
from tests.integration.group_steps import build_step, claim
from tests.integration.keyed_requests import BATCH
from tests.integration.stores import Store, open_store

CPMM, DLMM, CLMM = ("raydium", "cpmm"), ("meteora", "dlmm"), ("raydium", "clmm")
OTHER_POOL = 32 * "1"


async def route(store: Store, order_id: UUID, *legs: tuple[tuple[str, str], str]) -> UUID:
    """Have an order routed by these legs, each a program and a pool: the main one comes first."""
    shown = [{"dex": dex, "program": program, "pool": pool} for (dex, program), pool in legs]
    listed = {"legs": shown} if len(shown) > 1 else {}
    text = orjson.dumps({**shown[0], **listed, "minAmountOut": "1"}).decode()
    order = await claim(store, order_id)
    dex = Dex(shown[0]["dex"])
    await store.journal.record(build_step(order, Cause.ROUTED, dex=dex, route=text))
    return order_id


async def close(store: Store, order_id: UUID) -> None:
    """End an order that is routed, whatever has become of it."""
    await store.cancellations.cancel("local", order_id, CancelReason.REQUESTED)


async def list_ids(api: RunningApi, query: str) -> list[UUID]:
    """The ids of all pages of a list."""
    ids: list[UUID] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api.get(f"/api/orders?order=asc&{query}{cursor and f'&cursor={cursor}'}")
        ids += [UUID(order["orderId"]) for order in page["orders"]]
        cursor = page["next"]
    return ids


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step looks at three orders, and a page is searched in two steps."""
    monkeypatch.setattr(leg_search, "CANDIDATES", 3)
    monkeypatch.setattr(queries, "STEPS_MAX", 2)


async def test_orders_are_listed_by_any_leg_of_their_route(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_store(database_url) as store:
        ids = [await api.place_order() for _ in range(5)]
        split = await route(store, ids[0], (CPMM, POOL), (DLMM, OTHER_POOL))
        single = await route(store, ids[1], (DLMM, POOL))
        ended = await route(store, ids[2], (CLMM, OTHER_POOL))
        await close(store, ended)
        no_leg = await claim(store, ids[3])
        await store.journal.record(build_step(no_leg, Cause.ROUTED, dex=Dex.METEORA, route="{}"))
        for query, expected in (
            ("program=meteora/dlmm", [split, single]),
            ("program=DLMM", [split, single]),
            ("program=cpmm", [split]),
            ("program=amm_v4", []),
            (f"pool={POOL}", [split, single]),
            (f"pool={OTHER_POOL}", [split, ended]),
            (f"pool={POOL}&program=dlmm", [single]),
            (f"pool={OTHER_POOL}&program=raydium/clmm", [ended]),
            (f"pool={OTHER_POOL}&status=open", [split]),
            (f"pool={OTHER_POOL}&status=cancelled", [ended]),
            ("program=dlmm&dex=meteora", [single]),
            ("program=dlmm&dex=raydium", [split]),
            ("program=clmm&dex=raydium&tokenIn=SOL&type=market", [ended]),
            (f"pool={OTHER_POOL}&tokenIn=USDC", []),
            (f"pool={OTHER_POOL}&from=2020-01-01", [split, ended]),
            (f"pool={OTHER_POOL}&to=2020-01-01", []),
            (f"pool={OTHER_POOL}&updatedSince=2020-01-01", [split, ended]),
            ("clientOrderId=none&program=dlmm", []),
        ):
            assert await list_ids(api, query) == expected, query
            assert await list_ids(api, f"{query}&limit=1") == expected, query


@pytest.mark.usefixtures("small_steps")
async def test_a_page_has_what_was_found_in_its_steps_and_the_next_goes_on(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_store(database_url) as store:
        batch = await api.post(BATCH, {"orders": [ORDER] * 20})
        ids = [UUID(order["orderId"]) for order in batch["orders"]]
        wanted = [await route(store, ids[index], (DLMM, POOL)) for index in (0, 7, 8, 9, 19)]
        for extra in (
            "",
            "&status=open",
            "&updatedSince=2020-01-01",
            f"&batchId={batch['batchId']}",
        ):
            for limit in (1, 2, 50):
                query = f"pool={POOL}&limit={limit}{extra}"
                found = await list_ids(api, query)
                assert sorted(found) == sorted(wanted), query
                assert found == wanted or "updatedSince" in extra, query
        first = await api.get(f"/api/orders?order=asc&pool={POOL}")
        assert [UUID(each["orderId"]) for each in first["orders"]] == wanted[:1]
        second = await api.get(f"/api/orders?order=asc&pool={OTHER_POOL}")
        assert (second["orders"], second["next"] is None) == ([], False)
        which = OrderFilter(pool=POOL)
        records, position = await store.orders.search_page(
            "local", which, limit=9, is_ascending=True
        )
        assert [record.id for record in records] == wanted[:1]
        assert position == ListPosition(records[0].created_at, ids[5])


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("program=orca", "program", "must be one of raydium/cpmm, raydium/amm_v4, raydium/clmm"),
        ("program=raydium", "program", "with its exchange or without"),
        ("program=meteora/clmm", "program", "must be one of"),
        ("pool=SOL", "pool", "is not the address of a pool (32 bytes in base58)"),
        (f"pool={44 * 'z'}", "pool", "is not the address of a pool (32 bytes in base58)"),
        ("pool=", "pool", "is not the address of a pool"),
    ],
)
async def test_a_leg_that_cannot_be_is_refused(
    database_url: str, redis_url: str, query: str, field: str, words: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get(f"/api/orders?{query}", 400)
        [error] = problem["errors"]
        assert error["field"] == field
        assert words in error["reason"]
