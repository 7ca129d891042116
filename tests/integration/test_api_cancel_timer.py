"""The dead man's switch over HTTP."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.integration.apis import ORDER, Json, RunningApi, open_api, receive_events, wait_until

PATH = "/api/orders/cancel-after"
OFF: Json = {"seconds": 0, "triggerTime": None, "lastTriggerTime": None, "cancelling": False}
ANNA, BERT = "anna:" + "a" * 16, "bert:" + "b" * 16


async def set_timer(api: RunningApi, seconds: object) -> Json:
    return await api.post(PATH, {"seconds": seconds}, 200)


async def test_all_open_orders_are_cancelled_at_the_time_without_a_client_or_a_worker(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        assert await api.get(PATH) == OFF
        order_id = await api.place_order()
        timer = await set_timer(api, 1)
        assert await api.get(PATH) == timer
        assert (timer["seconds"], timer["cancelling"]) == (1, False)
        async with api.open_order_socket(order_id) as socket:
            events = await receive_events(socket)
        assert [event["status"] for event in events] == ["pending", "cancelled"]
        assert events[-1]["code"] == "cancelled_by_timer"
        assert events[-1]["at"] >= timer["triggerTime"]
        order = await api.get(f"/api/orders/{order_id}")
        assert order["cancelReason"] == "cancelled_by_timer"

        async def is_done() -> bool:
            shown = await api.get(PATH)
            return bool(not shown["cancelling"] and shown["triggerTime"] is None)

        await wait_until(is_done)
        shown = await api.get(PATH)
        assert shown == {**OFF, "seconds": 1, "lastTriggerTime": timer["triggerTime"]}


async def test_each_call_counts_from_its_own_time_and_0_turns_it_off(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        first = await set_timer(api, 3_600)
        second = await set_timer(api, 3600.0)
        times = [datetime.fromisoformat(each["triggerTime"]) for each in (first, second)]
        assert times[0] < times[1]
        assert await set_timer(api, 0) == OFF
        assert await set_timer(api, 0) == OFF
        assert await api.get(PATH) == OFF


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({}, "seconds", "is required"),
        ({"seconds": None}, "seconds", "is required"),
        ({"seconds": -1}, "seconds", "greater than or equal to 0"),
        ({"seconds": 86_401}, "seconds", "less than or equal to 86400"),
        ({"seconds": 1.5}, "seconds", "must be a whole number"),
        ({"seconds": "60"}, "seconds", "must be a whole number"),
        ({"seconds": True}, "seconds", "must be a whole number"),
        ({"seconds": 10**30}, "seconds", ""),
        ({"seconds": 60, "timeout": 1}, "timeout", "is not a known field"),
        ([], "", "must be a JSON object"),
    ],
)
async def test_what_is_no_number_of_seconds_is_refused_and_changes_nothing(
    database_url: str, redis_url: str, body: object, field: str, reason: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        timer = await set_timer(api, 3_600)
        problem = await api.post(PATH, body, 422)
        assert problem["errors"][0]["field"] == field
        assert reason in problem["errors"][0]["reason"]
        assert await api.get(PATH) == timer


async def test_the_switch_of_an_owner_is_its_own(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, api_keys=f"{ANNA},{BERT}") as api:
        await api.get(PATH, 401)
        keys = {name: {"X-API-Key": name * 16} for name in "ab"}
        placed = {
            name: await api.post("/api/orders/execute", ORDER, headers=headers)
            for name, headers in keys.items()
        }
        await api.post(PATH, {"seconds": 1}, 200, headers=keys["a"])
        async with api.session.get(PATH, headers=keys["b"]) as response:
            assert await response.json() == OFF

        async def read_status(name: str) -> str:
            async with api.session.get(placed[name]["statusUrl"], headers=keys[name]) as response:
                return str((await response.json())["status"])

        async def is_cancelled() -> bool:
            return await read_status("a") == "cancelled"

        await wait_until(is_cancelled)
        assert await read_status("b") == "pending"
