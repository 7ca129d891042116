"""The WebSocket of one order: its past events, its new events, and the close."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid5

import aiohttp
import pytest

from tests.integration.apis import ORDER, Json, RunningApi, open_api, open_driver, receive_events

UNKNOWN_ORDER = uuid5(UUID(int=0), "nobody")
ALL_STATUSES = ["pending", "routing", "building", "submitted", "confirmed"]


def event_seqs(events: list[Json]) -> list[int]:
    return [event["seq"] for event in events]


async def request_refused_upgrade(api: RunningApi, path: str) -> tuple[int, Json]:
    """The status and the problem of a refused upgrade."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with api.session.get(path, headers=headers) as response:
        assert response.content_type == "application/problem+json"
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize(
    "path", ["/api/orders/execute?orderId={}", "/api/orders/upgrade/{}"], ids=["query", "path"]
)
async def test_a_subscriber_sees_all_events_in_order_and_a_normal_close(
    database_url: str, redis_url: str, path: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        async with api.session.ws_connect(path.format(order_id)) as socket:
            await driver.confirm(order_id)
            received = await receive_events(socket, code=1000)
        assert [event["status"] for event in received] == ALL_STATUSES
        assert event_seqs(received) == [1, 2, 3, 4, 5]
        assert {event["orderId"] for event in received} == {str(order_id)}
        assert received[2]["quotes"][0]["dex"] == "raydium"
        assert received[3]["txHash"] == "signature-1"
        assert received[4]["executedPrice"] == "100"


async def test_a_late_subscriber_sees_the_past_events_and_then_the_rest(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        leased = await driver.route(await driver.claim(order_id))
        async with api.open_order_socket(order_id) as socket:
            assert event_seqs(await receive_events(socket, 3)) == [1, 2, 3]
            await driver.land(await driver.sign(leased))
            assert event_seqs(await receive_events(socket)) == [4, 5]


async def test_a_subscriber_who_reconnects_sees_exactly_what_it_missed(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        async with api.open_order_socket(order_id) as socket:
            leased = await driver.claim(order_id)
            assert event_seqs(await receive_events(socket, 2)) == [1, 2]
        leased = await driver.route(leased)
        async with api.open_order_socket(order_id, after=2) as socket:
            assert event_seqs(await receive_events(socket, 1)) == [3]
            await driver.land(await driver.sign(leased))
            assert event_seqs(await receive_events(socket)) == [4, 5]


@pytest.mark.parametrize("after", [0, 3, 5, 9])
async def test_the_socket_of_an_ended_order_sends_its_events_and_closes(
    database_url: str, redis_url: str, after: int
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        await driver.confirm(order_id)
        async with api.open_order_socket(order_id, after) as socket:
            assert event_seqs(await receive_events(socket, code=1000)) == list(range(after + 1, 6))


async def test_subscribers_of_any_time_see_the_same_events(
    database_url: str, redis_url: str
) -> None:
    async def watch(order_id: UUID) -> list[int]:
        async with api.open_order_socket(order_id) as socket:
            return event_seqs(await receive_events(socket))

    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        orders = [await api.place_order() for _ in range(20)]
        async with asyncio.TaskGroup() as group:
            early = [group.create_task(watch(order_id)) for order_id in orders]
            driving = [group.create_task(driver.confirm(order_id)) for order_id in orders]
            middle = [group.create_task(watch(order_id)) for order_id in orders for _ in range(3)]
        assert all(task.done() for task in driving)
        assert {tuple(task.result()) for task in early + middle} == {(1, 2, 3, 4, 5)}


async def test_the_event_of_a_retry_has_its_reason_and_attempt(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        async with api.open_order_socket(order_id) as socket:
            leased = await driver.retry(await driver.route(await driver.claim(order_id)))
            await driver.fail(leased)
            received = await receive_events(socket)
        assert [(event["status"], event["attempt"]) for event in received[-2:]] == [
            ("routing", 2),
            ("failed", 2),
        ]
        assert received[-2]["code"] == "venue_timeout"
        assert received[-1]["code"] == "no_pool"


async def test_an_order_can_be_placed_and_followed_on_one_socket(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
        api.session.ws_connect("/api/orders/execute") as socket,
    ):
        await socket.send_json(dict(ORDER))
        accepted = await socket.receive_json()
        assert accepted["status"] == "queued"
        await driver.confirm(UUID(accepted["orderId"]))
        assert event_seqs(await receive_events(socket, code=1000)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{}", "missing_field"),
        ("no json", "malformed_json"),
        ("", "malformed_json"),
        ("[]", "not_an_object"),
        ('{"tokenIn":"SOL","tokenOut":"USDC","amount":0}', "invalid_field"),
    ],
)
async def test_a_bad_order_on_a_socket_is_a_problem_and_a_refusal(
    database_url: str, redis_url: str, message: str, code: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        async with api.session.ws_connect("/api/orders/execute") as socket:
            await socket.send_str(message)
            [problem] = await receive_events(socket, code=1008)
        assert problem["code"] == code
        assert (await api.get("/api/orders"))["orders"] == []


async def test_later_messages_of_a_client_change_nothing(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        async with api.open_order_socket(order_id) as socket:
            for _ in range(100):
                await socket.send_str("are you there?")
            await driver.confirm(order_id)
            assert len(await receive_events(socket)) == 5


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/api/orders/execute?orderId={UNKNOWN_ORDER}", 404, "order_not_found"),
        (f"/api/orders/upgrade/{UNKNOWN_ORDER}", 404, "order_not_found"),
        ("/api/orders/upgrade/1", 404, "order_not_found"),
        ("/api/orders/execute?orderId=", 404, "order_not_found"),
        (f"/api/orders/upgrade/{UNKNOWN_ORDER}?after=-1", 400, "invalid_parameter"),
        (f"/api/orders/upgrade/{UNKNOWN_ORDER}?after=99999999999", 400, "invalid_parameter"),
        ("/api/nowhere", 404, "not_found"),
        ("/api/stats", 400, "not_a_websocket"),
    ],
)
async def test_an_upgrade_to_nothing_is_refused_with_a_problem(
    database_url: str, redis_url: str, path: str, status: int, code: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for _ in range(2):  # a refusal leaves no connection behind that looks usable
            received_status, problem = await request_refused_upgrade(api, path)
            assert (received_status, problem["code"]) == (status, code)


async def test_a_plain_get_of_a_socket_is_refused(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for path in (
            "/api/orders/execute",
            "/api/orders/stream",
            f"/api/orders/upgrade/{UNKNOWN_ORDER}",
        ):
            assert (await api.get(path, 426))["code"] == "websocket_required"


async def test_the_number_of_open_sockets_is_limited(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, sockets_max=1) as api:
        order_id = await api.place_order()
        async with api.open_order_socket(order_id) as socket:
            await receive_events(socket, 1)
            status, problem = await request_refused_upgrade(api, f"/api/orders/upgrade/{order_id}")
            assert (status, problem["code"]) == (503, "too_many_sockets")
            assert (await request_refused_upgrade(api, "/api/orders/stream"))[0] == 503


async def test_a_stopping_server_closes_its_sockets(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.place_order()
        async with (
            api.open_order_socket(order_id) as one,
            api.session.ws_connect("/api/orders/execute") as two,
        ):
            await receive_events(one, 1)
            api.stop.set()
            assert await receive_events(one, code=1001) == []
            assert await receive_events(two, code=1001) == []


async def test_frames_are_not_compressed(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        api.session.ws_connect("/api/orders/stream", compress=15) as socket,
    ):
        assert socket.compress == 0


async def test_a_page_of_another_site_may_not_open_a_socket(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect("/api/orders/execute", origin="https://evil.example")
        assert refused.value.status == 403
        async with api.session.ws_connect("/api/orders/stream", origin=api.url):
            pass
