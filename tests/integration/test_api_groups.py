"""Groups and brackets over HTTP: what is placed together, refused together, and shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.integration.apis import ORDER, Json, RunningApi, open_api, open_driver

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"
LIMIT: Json = {**ORDER, "type": "limit", "limitPrice": "120", "ocoGroup": "exit"}
STOP: Json = {**ORDER, "type": "stop", "triggerPrice": "90", "ocoGroup": "exit"}
BRACKET: Json = {
    "takeProfit": {"triggerPrice": "0.012"},
    "stop": {"triggerPrice": "0.009", "slippageBps": 250},
}
SHOWN_BRACKET: Json = {
    "takeProfit": {
        "triggerPrice": "0.012",
        "priceOf": "tokenIn",
        "confirmations": 2,
        "then": "limit",
        "slippageBps": 50,
    },
    "stop": {
        "triggerPrice": "0.009",
        "priceOf": "tokenIn",
        "confirmations": 2,
        "slippageBps": 250,
    },
}
KEYS = "anna:anna-key-0123456789,bert:bert-key-0123456789"


async def place(api: RunningApi, *orders: Json, **options: Any) -> Json:
    return await api.post(BATCH, {"orders": list(orders)}, **options)


def read_fault(entry: Json) -> tuple[str, str]:
    [error] = entry["problem"]["errors"]
    return error["field"], error["reason"]


async def test_two_orders_of_a_batch_are_a_group(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        batch = await place(api, LIMIT, dict(ORDER), STOP)
        assert [each["status"] for each in batch["orders"]] == ["waiting", "queued", "waiting"]
        one, market, other = [each["orderId"] for each in batch["orders"]]
        order = await api.get(f"/api/orders/{one}")
        group = order["ocoGroup"]
        assert str(UUID(group)) == group
        page = await api.get(f"/api/orders?ocoGroup={group}&order=asc")
        assert [each["orderId"] for each in page["orders"]] == [one, other]
        assert {each["ocoGroup"] for each in page["orders"]} == {group}
        assert (await api.get(f"/api/orders/{market}"))["ocoGroup"] is None
        events = (await api.get(f"/api/orders/{one}/events"))["events"]
        assert events[0]["ocoGroup"] == group
        async with api.session.delete(f"/api/orders/{one}") as response:
            assert (await response.json())["cancelReason"] == "cancelled_by_request"
        assert (await api.get(f"/api/orders/{other}"))["status"] == "waiting"
        del d
        async with api.session.delete(f"/api/orders?ocoGroup={group}") as response:
            assert (await response.json())["cancelled"] == [other]


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([LIMIT], "names 1 of the orders of this batch: a group has exactly two"),
        ([LIMIT, STOP, STOP], "names 3 of the orders of this batch: a group has exactly two"),
        ([LIMIT, {**STOP, "tokenOut": "USDT"}], "is of two orders with different tokens"),
        ([LIMIT, {**STOP, "amount": "x"}], "the other order of this group is refused"),
        ([LIMIT, {**LIMIT, "timeInForce": "fok"}], "the other order of this group is refused"),
        ([LIMIT, {**ORDER, "ocoGroup": "exit"}], "the other order of this group is refused"),
        ([LIMIT, {**STOP, "expiresAt": "2020-01-01T00:00:00Z"}], "the other order of this group"),
    ],
)
async def test_what_is_no_pair_is_refused_as_a_whole_and_the_rest_is_placed(
    database_url: str, redis_url: str, orders: list[Json], words: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        batch = await place(api, dict(ORDER), *orders)
        assert (batch["accepted"], batch["refused"]) == (1, len(orders))
        field, reason = read_fault(batch["orders"][1])
        assert field == "ocoGroup"
        assert reason.startswith(words)
        assert all("problem" in each for each in batch["orders"][1:])
        assert await api.count_stored() == 1


async def test_a_group_that_is_repeated_is_the_first_one_or_refused(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        one, other = {**LIMIT, "clientOrderId": "one"}, {**STOP, "clientOrderId": "other"}
        first = await place(api, one, other)
        ids = [each["orderId"] for each in first["orders"]]
        again = await place(api, {**one, "ocoGroup": "x"}, {**other, "ocoGroup": "x"})
        assert [each["orderId"] for each in again["orders"]] == ids
        assert all(each["replayed"] for each in again["orders"])
        # One of them beside another one than before: neither is placed.
        for another in ({**STOP, "triggerPrice": "80"}, STOP):
            mixed = await place(api, one, another, status=422)
            faults = [read_fault(each) for each in mixed["orders"]]
            assert [field for field, _ in faults] == ["clientOrderId", "ocoGroup"]
        assert await api.count_stored() == 2


async def test_an_order_whose_other_one_was_placed_before_is_not_placed_without_it(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        named = {**LIMIT, "clientOrderId": "one"}
        first = await place(api, named, STOP)
        half = await place(api, named, STOP)
        assert (half["accepted"], half["refused"]) == (1, 1)
        assert half["orders"][0]["orderId"] == first["orders"][0]["orderId"]
        assert read_fault(half["orders"][1])[0] == "ocoGroup"
        assert await api.count_stored() == 2


async def test_a_batch_with_a_key_is_repeated_as_a_whole(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        headers = {"Idempotency-Key": "batch"}
        first = await place(api, LIMIT, STOP, headers=headers)
        assert await place(api, LIMIT, STOP, headers=headers) == first
        other = {**STOP, "ocoGroup": "another"}
        await place(api, LIMIT, other, status=422, headers=headers)
        assert await api.count_stored() == 2


async def test_an_entry_shows_its_bracket_and_the_orders_that_came_of_it(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        placed = await api.post(EXECUTE, {**ORDER, "bracket": BRACKET})
        entry = await api.get(placed["statusUrl"])
        assert (entry["bracket"], entry["childIds"]) == (SHOWN_BRACKET, None)
        await d.confirm(UUID(placed["orderId"]))
        entry = await api.get(placed["statusUrl"])
        page = await api.get(f"/api/orders?parentId={placed['orderId']}&status=open")
        children = {each["orderId"]: each for each in page["orders"]}
        assert [children[each]["type"] for each in entry["childIds"]] == ["takeProfit", "stop"]
        profit, stop = [children[each] for each in entry["childIds"]]
        assert profit["ocoGroup"] == stop["ocoGroup"] != None  # noqa: E711
        assert (profit["tokenIn"], profit["tokenOut"], profit["amountIn"]) == ("USDC", "SOL", "150")
        assert (profit["triggerPrice"], profit["minAmountOut"]) == ("0.012", "1.8")
        assert (stop["triggerPrice"], stop["slippageBps"]) == ("0.009", 250)
        assert {each["parentId"] for each in children.values()} == {placed["orderId"]}
        assert {each["bracket"] for each in children.values()} == {None}
        events = (await api.get(f"/api/orders/{stop['orderId']}/events"))["events"]
        assert events[0]["parentId"] == placed["orderId"]
        assert [each["status"] for each in events] == ["pending", "waiting"]
        first = (await api.get(f"{placed['statusUrl']}/events"))["events"][0]
        assert first["bracket"] == SHOWN_BRACKET


async def test_a_bracket_with_one_order_has_no_group(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        body = {**ORDER, "bracket": {"stop": {"trailBps": 300, "priceOf": "tokenOut"}}}
        order_id = await api.post(EXECUTE, body)
        await d.confirm(UUID(order_id["orderId"]))
        [child] = (await api.get(f"/api/orders?parentId={order_id['orderId']}"))["orders"]
        assert (child["type"], child["trailBps"]) == ("trailingStop", 300)
        assert (child["ocoGroup"], child["slippageBps"]) == (None, 300)


async def test_a_repeat_of_a_bracket_is_the_same_order(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        body = {**ORDER, "clientOrderId": "entry", "bracket": BRACKET}
        first = await api.post(EXECUTE, body)
        spelt = {"takeProfit": {"stopPrice": 0.0120}, "stop": {**BRACKET["stop"], "priceOf": None}}
        again = await api.post(EXECUTE, {**body, "bracket": spelt})
        assert again["orderId"] == first["orderId"]
        for other in ({"stop": BRACKET["stop"]}, None):
            problem = await api.post(EXECUTE, {**body, "bracket": other}, 422)
            assert problem["code"] == "client_order_id_reused"


async def test_the_orders_of_a_bracket_belong_to_the_owner_of_their_entry_beyond_its_quota(
    database_url: str, redis_url: str
) -> None:
    options: dict[str, Any] = {"api_keys": KEYS, "owner_open_orders_max": 1}
    async with (
        open_api(database_url, redis_url, **options) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        anna, bert = [{"X-API-Key": each.partition(":")[2]} for each in KEYS.split(",")]
        placed = await api.post(EXECUTE, {**ORDER, "bracket": BRACKET}, headers=anna)
        await driver.confirm(UUID(placed["orderId"]))
        path = f"/api/orders?parentId={placed['orderId']}"
        for headers, count in ((anna, 2), (bert, 0)):
            async with api.session.get(path, headers=headers) as response:
                assert len((await response.json())["orders"]) == count
        async with api.session.delete(path, headers=bert) as response:
            assert (await response.json())["cancelled"] == []
        async with api.session.delete(path, headers=anna) as response:
            assert len((await response.json())["cancelled"]) == 2
