"""Amending orders over HTTP, and what a waiting order shows of the market."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from uuid_utils.compat import uuid7

from tests.integration.apis import ORDER, Json, RunningApi, open_api, open_driver, receive_events

EXECUTE = "/api/orders/execute"
LIMIT: Json = {**ORDER, "type": "limit", "limitPrice": "150"}
STOP: Json = {**ORDER, "type": "stop", "triggerPrice": "50"}
ANNA, BERT = "anna:" + "a" * 16, "bert:" + "b" * 16
NEW_PRICE = {"limitPrice": "160", "allowImmediate": True}
"""Needs no market."""


async def patch(
    api: RunningApi,
    order_id: object,
    body: object,
    status: int = 200,
    *,
    seq: object = '"2"',
    key: str = "",
) -> Json:
    headers: dict[str, str] = {} if seq is None else {"If-Match": str(seq)}
    if key:
        headers["X-API-Key"] = key.partition(":")[2]
    async with api.session.patch(f"/api/orders/{order_id}", json=body, headers=headers) as response:
        assert response.status == status, await response.text()
        return dict(await response.json(content_type=None))


async def place(api: RunningApi, body: Mapping[str, Any], **fields: object) -> str:
    return str((await api.post(EXECUTE, {**body, **fields}))["orderId"])


async def test_an_order_is_amended_once_for_each_step_that_its_owner_has_seen(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await place(api, LIMIT, clientOrderId="one")
        body = {**NEW_PRICE, "amountIn": "3", "slippage": 0.01, "expiresAt": "2027-06-01T00:00:00Z"}
        async with api.open_order_socket(order_id, after=2) as socket:  # type: ignore[arg-type]
            amended = await patch(api, order_id, body)
            event = await socket.receive_json(timeout=30)
        assert (amended["status"], amended["seq"]) == ("waiting", 3)
        changed = {
            "amountIn": "3",
            "limitPrice": "160",
            "minAmountOut": "480",
            "slippageBps": 100,
            "timeInForce": "gtd",
            "expiresAt": "2027-06-01T00:00:00.000000Z",
        }
        assert {name: amended[name] for name in changed} == changed
        assert (event["seq"], event["status"]) == (3, "waiting")
        assert event == {**event, **changed}
        assert [each["status"] for each in amended["steps"]] == ["pending", "waiting", "waiting"]

        repeat = await patch(api, order_id, body, 412)
        assert repeat["code"] == "precondition_failed"
        assert repeat["order"] == {name: amended[name] for name in repeat["order"]}
        assert "its seq is 3, not 2" in repeat["detail"]
        assert (await patch(api, order_id, body, seq='"3"'))["seq"] == 3  # nothing changes
        kept = await patch(api, order_id, {"expiresAt": None}, seq='"3"')
        assert (kept["seq"], kept["expiresAt"], kept["timeInForce"]) == (4, None, "gtc")
        same = await api.post(EXECUTE, {**LIMIT, "clientOrderId": "one"})
        assert (same["orderId"], same["status"]) == (order_id, "waiting")


async def test_what_does_not_wait_as_it_was_seen_is_not_amended(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        order_id = await place(api, LIMIT)
        assert (await patch(api, order_id, NEW_PRICE, 428, seq=None))["code"] == (
            "precondition_required"
        )
        for seq in ("2", "*", 'W/"2"', '"2", "3"', '"x"', '""', '"99999999999"'):
            problem = await patch(api, order_id, NEW_PRICE, 400, seq=seq)
            assert problem["errors"][0]["field"] == "If-Match"
        await patch(api, order_id, NEW_PRICE, 412, seq='"1"')
        market = await api.place_order()
        for seq in ('"1"', '"2"'):
            problem = await patch(api, market, NEW_PRICE, 409, seq=seq)
            assert (problem["code"], problem["order"]["status"]) == ("too_late", "pending")
        signed = await d.sign(await d.route(await d.claim(market)))
        problem = await patch(api, market, NEW_PRICE, 409)
        assert signed.signed is not None
        assert str(signed.signed.last_valid_height) in problem["detail"]
        async with api.session.delete(f"/api/orders/{order_id}") as response:
            assert response.status == 200
        problem = await patch(api, order_id, NEW_PRICE, 409)
        assert (problem["code"], problem["order"]["status"]) == ("too_late", "cancelled")
        for unknown in (uuid7(), "none"):
            assert (await patch(api, unknown, NEW_PRICE, 404))["code"] == "order_not_found"


BAD: dict[str, tuple[Json, str, str]] = {
    "amount of 0": ({"amount": 0}, "amount", "greater than 0"),
    "amount of nothing": ({"amount": None}, "amount", "cannot be null"),
    "amount with too many decimals": ({"amountIn": "0.0000000001"}, "amountIn", "decimals"),
    "price in words": ({"limitPrice": "high"}, "limitPrice", "decimal number"),
    "price beyond 64 bits": ({"limitPrice": "1e20"}, "limitPrice", "64-bit"),
    "contradiction": ({"limitPrice": 160, "minAmountOut": 1}, "minAmountOut", "contradicts"),
    "trigger of a limit": ({"triggerPrice": 1}, "triggerPrice", "belongs to orders of type"),
    "distance of a limit": ({"trailBps": 100}, "trailBps", "belongs to orders of type"),
    "price of another token": ({"priceOf": "SOL"}, "priceOf", "tokenIn, tokenOut"),
    "slippage above 100 %": ({"slippageBps": 10_001}, "slippageBps", "10000"),
    "token": ({"tokenIn": "USDC"}, "tokenIn", "cannot be amended"),
    "type": ({"type": "stop"}, "type", "cannot be amended"),
    "name": ({"clientOrderId": "x"}, "clientOrderId", "cannot be amended"),
    "slices": ({"slices": 5}, "slices", "cannot be amended"),
    "interval beside a price": ({"intervalS": 5, "limitPrice": 9}, "intervalS", "be amended"),
    "guard": ({"maxFeeBps": 5}, "maxFeeBps", "cannot be amended"),
    "unknown field": ({"limitprice": 1}, "limitprice", "did you mean limitPrice?"),
    "nothing": ({}, "", "nothing is to be changed"),
    "permission alone": ({"allowImmediate": True}, "", "nothing is to be changed"),
    "permission in words": ({"limitPrice": 9, "allowImmediate": "yes"}, "allowImmediate", "true"),
    "expiry in the past": ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt", "has passed"),
    "expiry too far": ({"expiresAt": "2099-01-01T00:00:00Z"}, "expiresAt", "days ahead"),
    "expiry in words": ({"expiresAt": "soon"}, "expiresAt", "zone"),
}


async def test_bad_input_is_named_and_changes_nothing(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await place(api, LIMIT)
        before = await api.get(f"/api/orders/{order_id}")
        for name, (body, field, words) in BAD.items():
            problem = await patch(api, order_id, body, 422)
            [error] = problem["errors"]
            assert error["field"] == field, name
            assert words in error["reason"], (name, error)
        for text, status in (("[]", 422), ("{", 400), ("null", 422)):
            headers = {"If-Match": '"2"', "Content-Type": "application/json"}
            path = f"/api/orders/{order_id}"
            async with api.session.patch(path, data=text, headers=headers) as response:
                assert response.status == status
        async with api.session.patch(path, data="a=1", headers={"If-Match": '"2"'}) as response:
            assert response.status == 415
        assert await api.get(f"/api/orders/{order_id}") == before


async def test_only_its_owner_amends_an_order(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, api_keys=f"{ANNA},{BERT}", rate_limit=2) as api:
        headers = {"X-API-Key": "a" * 16}
        order_id = (await api.post(EXECUTE, LIMIT, headers=headers))["orderId"]
        assert (await patch(api, order_id, NEW_PRICE, 401))["code"] == "unauthorized"
        assert (await patch(api, order_id, NEW_PRICE, 404, key=BERT))["code"] == "order_not_found"
        assert (await patch(api, order_id, NEW_PRICE, key=ANNA))["limitPrice"] == "160"
        refused = await patch(api, order_id, NEW_PRICE, 429, key=ANNA, seq='"3"')
        assert refused["code"] == "rate_limited"


async def test_a_page_of_an_allowed_site_may_amend(database_url: str, redis_url: str) -> None:
    page = "https://app.example"
    async with open_api(database_url, redis_url, cors_origins=page) as api:
        asked = {
            "Origin": page,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "if-match,content-type",
        }
        path = f"/api/orders/{await place(api, LIMIT)}"
        async with api.session.options(path, headers=asked) as response:
            assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
            assert "If-Match" in response.headers["Access-Control-Allow-Headers"]
        asked["Origin"] = "https://evil.example"
        async with api.session.options(path, headers=asked) as response:
            assert "Access-Control-Allow-Methods" not in response.headers


async def test_many_amendments_and_cancellations_of_one_order_leave_one_answer_each(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await place(api, LIMIT)

        async def amend(price: int) -> int:
            body = {"limitPrice": price, "allowImmediate": True}
            path, headers = f"/api/orders/{order_id}", {"If-Match": '"2"'}
            async with api.session.patch(path, json=body, headers=headers) as response:
                return response.status

        async with api.open_order_socket(order_id) as socket:  # type: ignore[arg-type]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(amend(160 + n)) for n in range(20)]
            statuses = sorted(task.result() for task in tasks)
            assert statuses == [200, *[412] * 19]
            async with api.session.delete(f"/api/orders/{order_id}") as response:
                assert response.status == 200
            events = await receive_events(socket)
        assert [event["seq"] for event in events] == [1, 2, 3, 4]
        assert [event["status"] for event in events[1:]] == ["waiting", "waiting", "cancelled"]
