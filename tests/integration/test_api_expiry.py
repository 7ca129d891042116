"""Orders with an expiry and a time in force, over HTTP and WebSocket."""

from __future__ import annotations

from datetime import timedelta

from backend.domain.times import format_time
from backend.engine.api_services import now
from tests.integration.apis import (
    ORDER,
    Json,
    RunningApi,
    open_api,
    open_driver,
    receive_events,
)

EXECUTE = "/api/orders/execute"


def in_seconds(seconds: float) -> str:
    return format_time(now() + timedelta(seconds=seconds))


def first_error(problem: Json) -> tuple[str, str, str]:
    error = problem["errors"][0]
    return error["field"], error["code"], error["reason"]


async def refuse(api: RunningApi, **fields: object) -> tuple[str, str, str]:
    return first_error(await api.post(EXECUTE, {**ORDER, **fields}, 422))


async def test_an_order_shows_its_expiry_and_expires_without_a_worker(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        expires_at = in_seconds(1)
        order_id = await api.place_order(expiresAt=expires_at, timeInForce="GTD")
        async with api.open_order_socket(order_id) as socket:
            events = await receive_events(socket)  # up to the close after the last one
        assert [event["status"] for event in events] == ["pending", "expired"]
        assert (events[0]["timeInForce"], events[0]["expiresAt"]) == ("gtd", expires_at)
        assert events[1]["code"] == "expired"
        assert events[1]["at"] > expires_at
        order = await api.get(f"/api/orders/{order_id}")
        assert (order["status"], order["expiresAt"]) == ("expired", expires_at)
        page = await api.get("/api/orders?status=expired")
        assert [each["orderId"] for each in page["orders"]] == [str(order_id)]


async def test_a_time_in_force_has_its_defaults(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        later = in_seconds(3_600)
        for fields, shown in (
            ({}, ("gtc", None)),
            ({"timeInForce": None, "expiresAt": None}, ("gtc", None)),
            ({"timeInForce": "GTC"}, ("gtc", None)),
            ({"expiresAt": later}, ("gtd", later)),
            ({"timeInForce": "Ioc"}, ("ioc", None)),
            ({"timeInForce": "fok", "expiresAt": later}, ("fok", later)),
        ):
            order_id = await api.place_order(**fields)
            order = await api.get(f"/api/orders/{order_id}")
            assert (order["timeInForce"], order["expiresAt"]) == shown


async def test_an_expiry_that_cannot_be_is_refused_and_nothing_is_stored(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        assert await refuse(api, expiresAt=in_seconds(-1)) == (
            *("expiresAt", "invalid_field", "has passed already"),
        )
        year = 367 * 86_400
        assert await refuse(api, expiresAt=in_seconds(year)) == (
            *("expiresAt", "invalid_field", "is more than 366 days ahead"),
        )
        async with api.session.ws_connect(EXECUTE) as socket:
            await socket.send_json({**ORDER, "expiresAt": in_seconds(-1)})
            problem = await socket.receive_json()
        assert first_error(problem.get("problem", problem))[0] == "expiresAt"
        assert await api.count_stored() == 0


async def test_a_repeat_after_the_expiry_gets_the_first_answer(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = {**ORDER, "expiresAt": in_seconds(1), "clientOrderId": "mine"}
        placed = await api.post(EXECUTE, body)
        async with api.session.ws_connect(placed["ws_url"]) as socket:
            await receive_events(socket)
        repeat = await api.post(EXECUTE, body)
        assert (repeat["orderId"], repeat["status"]) == (placed["orderId"], "expired")
        explicit = await api.post(EXECUTE, {**body, "timeInForce": "gtd"})
        assert explicit["orderId"] == placed["orderId"]
        other = await api.post(EXECUTE, {**body, "expiresAt": in_seconds(60)}, 422)
        assert first_error(other)[:2] == ("clientOrderId", "client_order_id_reused")


async def test_each_order_of_a_batch_has_its_own_expiry_or_problem(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        orders = [
            {**ORDER, "expiresAt": in_seconds(-1)},
            {**ORDER, "expiresAt": in_seconds(60)},
            ORDER,
            {**ORDER, "timeInForce": "gtd"},
        ]
        headers = {"Idempotency-Key": "batch"}
        batch = await api.post("/api/orders/batch", {"orders": orders}, headers=headers)
        assert (batch["accepted"], batch["refused"]) == (2, 2)
        problems = [entry.get("problem") for entry in batch["orders"]]
        assert [problem is None for problem in problems] == [False, True, True, False]
        assert first_error(problems[0])[2] == "has passed already"
        assert first_error(problems[3])[2] == "is required where timeInForce is gtd"
        repeat = await api.post("/api/orders/batch", {"orders": orders}, headers=headers)
        assert repeat["orders"][1]["orderId"] == batch["orders"][1]["orderId"]
        assert await api.count_stored() == 2


async def test_a_submitted_order_tells_until_when_it_may_land_after_its_expiry(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        expires_at = in_seconds(2)
        order_id = await api.place_order(expiresAt=expires_at)
        signed = await d.sign(await d.route(await d.claim(order_id)))
        other = await api.place_order(expiresAt=expires_at)
        async with api.open_order_socket(other) as socket:
            await receive_events(socket)  # the expiry has passed, and was looked for
        order = await api.get(f"/api/orders/{order_id}")
        assert order["status"] == "submitted"
        assert signed.signed is not None
        assert order["mayLandUntil"] == signed.signed.last_valid_height
        await d.land(signed)
        assert (await api.get(f"/api/orders/{order_id}"))["status"] == "confirmed"
