"""Limits where orders are placed: what exceeds one is refused, with the limit and what is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import asyncpg
import pytest

from backend.domain.access.scopes import Scope
from backend.domain.limits.order_limits import LimitName
from backend.domain.limits.refusals import CODES
from backend.store.audit_log.reads import read_rows, verify_log
from backend.store.database import open_pool
from tests.integration.apis import ORDER, Json, RunningApi, open_api
from tests.integration.limit_rows import INTAKE_CASES, SALE, store_limits
from tests.integration.stored_keys import make_key, send, show_key
from tests.integration.test_api_documents import assert_valid

EXECUTE: Final = "/api/orders/execute"
BATCH: Final = "/api/orders/batch"
LIMITS: Final = "/api/admin/limits"
TEMPORARY: Final = {"maxOrdersPerSecond", "maxOpenOrders"}
WAITING: Final[Json] = {**SALE, "type": "limit", "limitPrice": "50"}
MOST_IN_A_SECOND: Final = """
SELECT coalesce(max(n), 0) AS most FROM (
    SELECT count(*) OVER (
        ORDER BY created_at RANGE BETWEEN interval '999999 us' PRECEDING AND CURRENT ROW) AS n
    FROM orders WHERE owner = $1) counted
"""


@pytest.mark.parametrize("name", INTAKE_CASES)
async def test_what_exceeds_a_limit_is_refused_with_what_is_left(
    database_url: str, redis_url: str, name: str
) -> None:
    limits, order, passing, members = INTAKE_CASES[name]
    await store_limits(database_url, limits)
    async with open_api(database_url, redis_url) as api:
        status = 202 if passing else 422
        batch = await api.post(BATCH, {"orders": [order] * (passing + 2)}, status)
        problems = [each["problem"] for each in batch["orders"] if "problem" in each]
        assert len(problems) == 2
        assert await api.count_stored() == passing
        if name != "maxOrdersPerSecond":  # whose second may have passed
            async with api.session.post(EXECUTE, json=order) as response:
                problems.append(await response.json(content_type=None))
                assert response.status == (429 if name in TEMPORARY else 422)
                assert ("Retry-After" in response.headers) == (name in TEMPORARY)
        for problem in problems:
            assert (problem["code"], problem["limitName"]) == (CODES[LimitName(name)], name)
            assert members.items() <= problem.items()
            assert str(problem["value"]) in problem["detail"]
        shown = await api.get("/api/limits")
        assert_valid("Limits", shown)
        assert {**limits, "reference": "USDC"}.items() >= shown["limits"].items()
        if name in {"maxOpenOrders", "maxDailyVolume"}:
            assert str(shown["left"][name]) == ("0" if name == "maxOpenOrders" else "25")
    async with open_pool(database_url, connections_max=1) as pool:
        rows = [row async for row in read_rows(pool)]
        assert [row.action for row in rows] == ["limits_set", "orders_refused"]
        assert CODES[LimitName(name)] in rows[1].data
        assert (await verify_log(pool)).faults == []


async def test_orders_that_come_at_once_to_two_servers_exceed_no_limit_together(
    database_url: str, redis_url: str
) -> None:
    """Each limit is that of an owner: all of them at once."""
    keys = {name: show_key(await make_key(database_url, name)) for name in INTAKE_CASES}
    for name, case in INTAKE_CASES.items():
        await store_limits(database_url, case.limits, name)
    async with (
        open_api(database_url, redis_url) as one,
        open_api(database_url, redis_url) as other,
    ):

        async def place(api: RunningApi, name: str) -> tuple[str, str]:
            order, headers = INTAKE_CASES[name].order, keys[name]
            async with api.session.post(EXECUTE, json=order, headers=headers) as response:
                answer = await response.json(content_type=None)
                return name, str(answer.get("code", response.status))

        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(place(api, name))
                for api in (one, other) * 10
                for name in INTAKE_CASES
            ]
        answers = Counter(each.result() for each in running)
        for name, case in INTAKE_CASES.items():
            _, listed = await send(one, "/api/orders?limit=100", keys[name])
            stored, code = len(listed["orders"]), CODES[LimitName(name)]
            assert (answers[name, "202"], answers[name, code]) == (stored, 20 - stored)
            if name != "maxOrdersPerSecond":
                assert stored == case.passing
    async with open_pool(database_url, connections_max=1) as pool:
        [row] = await pool.read(MOST_IN_A_SECOND, "maxOrdersPerSecond")
    assert row["most"] == INTAKE_CASES["maxOrdersPerSecond"].passing


async def test_a_rate_is_told_with_each_order_and_with_a_refusal(
    database_url: str, redis_url: str
) -> None:
    await store_limits(database_url, {"maxOrdersPerSecond": 5})
    async with open_api(database_url, redis_url) as api:
        async with api.session.post(EXECUTE, json=ORDER) as response:
            assert '"owner";q=5;w=1' in response.headers["RateLimit-Policy"]
            assert '"owner";r=4;t=1' in response.headers["RateLimit"]
        refused = 0
        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(api.session.post(EXECUTE, json=ORDER)) for _ in range(20)]
        for response in [each.result() for each in sent]:
            if response.status == 429:
                refused += 1
                assert response.headers["Retry-After"] == "1"
                assert response.headers["RateLimit"] == '"owner";r=0;t=1'
        assert refused


async def test_a_repeat_is_no_new_order_and_exceeds_nothing(
    database_url: str, redis_url: str
) -> None:
    await store_limits(database_url, {"maxOpenOrders": 1})
    async with open_api(database_url, redis_url) as api:
        named, key = {**SALE, "clientOrderId": "mine"}, {"Idempotency-Key": "k"}
        first = await api.post(EXECUTE, named, headers=key)
        for headers in (key, {}):
            assert (await api.post(EXECUTE, named, headers=headers))["orderId"] == first["orderId"]
        batch = await api.post(BATCH, {"orders": [named, SALE]}, headers={"Idempotency-Key": "b"})
        assert batch["orders"][0]["orderId"] == first["orderId"]
        assert batch["orders"][1]["problem"]["code"] == CODES[LimitName.OPEN_ORDERS]
        await api.post(EXECUTE, SALE, 429)


async def test_of_a_pair_both_orders_are_refused_and_a_bracket_counts_as_its_orders(
    database_url: str, redis_url: str
) -> None:
    await store_limits(database_url, {"maxOpenOrders": 1})
    async with open_api(database_url, redis_url) as api:
        limit = {**ORDER, "type": "limit", "limitPrice": "500", "ocoGroup": "exit"}
        stop = {**ORDER, "type": "stop", "triggerPrice": "10", "ocoGroup": "exit"}
        batch = await api.post(BATCH, {"orders": [limit, stop]}, 422)
        assert all("problem" in each for each in batch["orders"])
        bracket = {"takeProfit": {"triggerPrice": "500"}, "stop": {"triggerPrice": "10"}}
        entry = {**SALE, "bracket": bracket}
        status, answer = await send(api, EXECUTE, method="POST", body=entry)
        assert (status, answer["code"], answer["value"]) == (429, "open_orders_exceed_max", "2")
        assert await api.count_stored() == 0


async def test_an_order_on_a_socket_and_an_amendment_are_refused_as_well(
    database_url: str, redis_url: str
) -> None:
    await store_limits(database_url, {"maxSlippageBps": 60, "maxOrderValue": "15"})
    async with open_api(database_url, redis_url) as api:
        async with api.session.ws_connect(EXECUTE) as socket:
            await socket.send_json({**SALE, "slippageBps": 61})
            problem = await socket.receive_json()
            assert (problem["code"], problem["left"]) == ("slippage_exceeds_max", "60")
        waiting = await api.place_order(**WAITING)
        for change, code in (
            ({"slippageBps": 61}, "slippage_exceeds_max"),
            ({"amount": "15.1"}, "notional_exceeds_max_per_order"),
        ):
            body = {**change, "allowImmediate": True}
            async with api.session.patch(
                f"/api/orders/{waiting}", json=body, headers={"If-Match": '"2"'}
            ) as response:
                assert (response.status, (await response.json())["code"]) == (422, code)
        assert (await api.get(f"/api/orders/{waiting}"))["seq"] == 2


async def test_limits_and_what_is_used_of_them_are_of_one_owner(
    database_url: str, redis_url: str
) -> None:
    anna, bert = [show_key(await make_key(database_url, name)) for name in ("anna", "bert")]
    admin = show_key(await make_key(database_url, "boss", Scope.ADMIN))
    await store_limits(database_url, {"maxOpenOrders": 1, "maxSlippageBps": 77}, "anna")
    await store_limits(database_url, {"maxOpenOrders": 2})
    async with open_api(database_url, redis_url) as api:
        await api.post(EXECUTE, SALE, headers=anna)
        await api.post(EXECUTE, SALE, 429, headers=anna)
        for _ in range(2):
            await api.post(EXECUTE, SALE, headers=bert)
        await api.post(EXECUTE, SALE, 429, headers=bert)
        for headers, limit in ((anna, 1), (bert, 2)):
            _, own = await send(api, "/api/limits", headers)
            assert own["limits"]["maxOpenOrders"] == own["used"]["maxOpenOrders"] == limit
            for path in ("anna", "bert"):
                assert (await send(api, f"{LIMITS}/{path}", headers))[0] == 403
        text = str((await send(api, "/api/limits", bert))[1])
        assert "anna" not in text
        assert "77" not in text
        assert (await send(api, f"{LIMITS}/anna", admin))[1]["left"] == {"maxOpenOrders": 0}
        # What is null has no limit, whatever holds for every owner.
        body = {"maxOpenOrders": None}
        assert (await send(api, f"{LIMITS}/anna", admin, method="PUT", body=body))[0] == 200
        await api.post(EXECUTE, SALE, headers=anna)
        for path, status in (("/anna", 200), ("/anna", 404), ("", 200), ("", 404)):
            assert (await send(api, f"{LIMITS}{path}", admin, method="DELETE"))[0] == status
        assert (await send(api, LIMITS, admin))[1] == {"limits": []}


async def test_a_process_that_is_paused_while_it_counts_holds_nobody_up(database_url: str) -> None:
    paused, other = [await asyncpg.connect(database_url) for _ in range(2)]
    try:
        await paused.execute("BEGIN")
        await paused.execute("SELECT lock_owner_limits('anna')")
        async with asyncio.timeout(60):
            await other.execute("SELECT lock_owner_limits('anna')")
        # Which one: whether the client has read of its end before it sends.
        ended = asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError, OSError
        with pytest.raises(ended):
            await paused.execute("COMMIT")
    finally:
        paused.terminate()
        await other.close()


async def test_a_lock_that_is_held_for_one_owner_delays_no_other(
    database_url: str, redis_url: str
) -> None:
    anna, bert = [show_key(await make_key(database_url, name)) for name in ("anna", "bert")]
    await store_limits(database_url, {"maxOpenOrders": 100})
    holder = await asyncpg.connect(database_url)
    async with (
        open_api(database_url, redis_url) as api,
        asyncio.TaskGroup() as tasks,
        holder.transaction(),
    ):
        await holder.execute("SELECT lock_owner_limits('anna')")
        await holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        waiting = [tasks.create_task(api.post(EXECUTE, SALE, headers=anna)) for _ in range(20)]
        async with asyncio.TaskGroup() as others:
            for _ in range(20):
                others.create_task(api.post(EXECUTE, SALE, headers=bert))
        assert not any(each.done() for each in waiting)
    await holder.close()


BOUND: Final = "SELECT bound::int FROM owner_open_orders"
FINAL_LIMITS: Final = "UPDATE order_limits SET since = now() - interval '1 h'"
"""As when every process has long known them."""


async def test_open_orders_are_counted_again_only_where_their_bound_does_not_suffice(
    database_url: str, redis_url: str
) -> None:
    await store_limits(database_url, {"maxOpenOrders": 5})
    async with (
        open_api(database_url, redis_url) as api,
        open_pool(database_url, connections_max=1) as pool,
    ):

        async def read_bound() -> list[int]:
            return [row["bound"] for row in await pool.read(BOUND)]

        first = await api.post(EXECUTE, WAITING)
        assert await read_bound() == []  # until every process knows the limits
        await pool.read(FINAL_LIMITS)
        await api.post(BATCH, {"orders": [WAITING] * 2}, 202)
        await api.post(EXECUTE, WAITING)
        assert await read_bound() == [4]
        await send(api, f"/api/orders/{first['orderId']}", method="DELETE")
        await api.post(EXECUTE, WAITING)
        assert await read_bound() == [5]  # it is a bound: four are open
        await api.post(EXECUTE, WAITING)
        await api.post(EXECUTE, WAITING, 429)
        assert (await api.get("/api/limits"))["used"] == {"maxOpenOrders": 5}
        # What was placed while there was no limit counts as soon as there is one again.
        assert (await send(api, LIMITS, method="DELETE"))[0] == 200
        for _ in range(3):
            await api.post(EXECUTE, WAITING)
        assert (await send(api, LIMITS, method="PUT", body={"maxOpenOrders": 9}))[0] == 200
        await pool.read(FINAL_LIMITS)
        await api.post(EXECUTE, WAITING)
        await api.post(EXECUTE, WAITING, 429)
        assert await read_bound() == [9]
