"""One order's WebSocket: what has happened, what happens, and its end."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid5

import aiohttp
import pytest

from tests.integration.apis import ORDER, Api, Json, events, open_api, open_driver

NOBODY = uuid5(UUID(int=0), "nobody")
WHOLE_LIFE = ["pending", "routing", "building", "submitted", "confirmed"]


def seqs(found: list[Json]) -> list[int]:
    return [event["seq"] for event in found]


async def refusal(api: Api, path: str) -> tuple[int, Json]:
    """The status and the problem with which an upgrade is refused."""
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
async def test_a_subscriber_sees_the_whole_life_in_order_and_a_normal_close(
    database_url: str, redis_url: str, path: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order()
        async with api.session.ws_connect(path.format(order_id)) as socket:
            await do.confirm(order_id)
            life = await events(socket, code=1000)
        assert [event["status"] for event in life] == WHOLE_LIFE
        assert seqs(life) == [1, 2, 3, 4, 5]
        assert {event["orderId"] for event in life} == {str(order_id)}
        assert life[2]["quotes"][0]["dex"] == "raydium"
        assert life[3]["txHash"] == "signature-1"
        assert life[4]["executedPrice"] == "100"


async def test_a_late_subscriber_sees_the_past_and_then_the_rest(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order()
        held = await do.route(await do.claim(order_id))
        async with api.follow(order_id) as socket:
            assert seqs(await events(socket, 3)) == [1, 2, 3]
            await do.land(await do.sign(held))
            assert seqs(await events(socket)) == [4, 5]


async def test_a_subscriber_who_comes_back_sees_exactly_what_it_missed(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order()
        async with api.follow(order_id) as socket:
            held = await do.claim(order_id)
            assert seqs(await events(socket, 2)) == [1, 2]
        held = await do.route(held)
        async with api.follow(order_id, after=2) as socket:
            assert seqs(await events(socket, 1)) == [3]
            await do.land(await do.sign(held))
            assert seqs(await events(socket)) == [4, 5]


@pytest.mark.parametrize("after", [0, 3, 5, 9])
async def test_an_order_that_has_ended_is_told_and_closed_at_once(
    database_url: str, redis_url: str, after: int
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order()
        await do.confirm(order_id)
        async with api.follow(order_id, after) as socket:
            assert seqs(await events(socket, code=1000)) == list(range(after + 1, 6))


async def test_many_subscribers_at_every_moment_see_the_same_life(
    database_url: str, redis_url: str
) -> None:
    async def watch(order_id: UUID) -> list[int]:
        async with api.follow(order_id) as socket:
            return seqs(await events(socket))

    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        orders = [await api.order() for _ in range(20)]
        async with asyncio.TaskGroup() as group:
            early = [group.create_task(watch(order_id)) for order_id in orders]
            driving = [group.create_task(do.confirm(order_id)) for order_id in orders]
            middle = [group.create_task(watch(order_id)) for order_id in orders for _ in range(3)]
        assert all(task.done() for task in driving)
        assert {tuple(task.result()) for task in early + middle} == {(1, 2, 3, 4, 5)}


async def test_a_retried_order_tells_why_and_with_which_attempt(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order()
        async with api.follow(order_id) as socket:
            held = await do.retry(await do.route(await do.claim(order_id)))
            await do.fail(held)
            life = await events(socket)
        assert [(event["status"], event["attempt"]) for event in life[-2:]] == [
            ("routing", 2),
            ("failed", 2),
        ]
        assert life[-2]["code"] == "venue_timeout"
        assert life[-1]["code"] == "no_pool"


async def test_an_order_and_its_life_travel_on_one_socket(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as do,
        api.session.ws_connect("/api/orders/execute") as socket,
    ):
        await socket.send_json(dict(ORDER))
        answer = await socket.receive_json()
        assert answer["status"] == "queued"
        await do.confirm(UUID(answer["orderId"]))
        assert seqs(await events(socket, code=1000)) == [1, 2, 3, 4, 5]


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
            [problem] = await events(socket, code=1008)
        assert problem["code"] == code
        assert (await api.get("/api/orders"))["orders"] == []


async def test_what_a_client_says_afterwards_changes_nothing(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as do:
        order_id = await api.order()
        async with api.follow(order_id) as socket:
            for _ in range(100):
                await socket.send_str("are you there?")
            await do.confirm(order_id)
            assert len(await events(socket)) == 5


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/api/orders/execute?orderId={NOBODY}", 404, "order_not_found"),
        (f"/api/orders/upgrade/{NOBODY}", 404, "order_not_found"),
        ("/api/orders/upgrade/1", 404, "order_not_found"),
        ("/api/orders/execute?orderId=", 404, "order_not_found"),
        (f"/api/orders/upgrade/{NOBODY}?after=-1", 400, "invalid_parameter"),
        (f"/api/orders/upgrade/{NOBODY}?after=99999999999", 400, "invalid_parameter"),
        ("/api/nowhere", 404, "not_found"),
        ("/api/stats", 400, "not_a_websocket"),
    ],
)
async def test_an_upgrade_that_leads_nowhere_is_refused_as_a_problem(
    database_url: str, redis_url: str, path: str, status: int, code: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for _ in range(2):  # a refusal leaves no connection behind that looks usable
            found, problem = await refusal(api, path)
            assert (found, problem["code"]) == (status, code)


async def test_a_plain_get_of_a_socket_is_told_so(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for path in ("/api/orders/execute", "/api/orders/stream", f"/api/orders/upgrade/{NOBODY}"):
            assert (await api.get(path, 426))["code"] == "websocket_required"


async def test_there_is_a_most_of_sockets(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, sockets_max=1) as api:
        order_id = await api.order()
        async with api.follow(order_id) as socket:
            await events(socket, 1)
            status, problem = await refusal(api, f"/api/orders/upgrade/{order_id}")
            assert (status, problem["code"]) == (503, "too_many_sockets")
            assert (await refusal(api, "/api/orders/stream"))[0] == 503


async def test_a_stopping_server_sends_its_sockets_away(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.order()
        async with (
            api.follow(order_id) as one,
            api.session.ws_connect("/api/orders/execute") as two,
        ):
            await events(one, 1)
            api.stop.set()
            assert await events(one, code=1001) == []
            assert await events(two, code=1001) == []


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
