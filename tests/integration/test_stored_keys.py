"""API keys in PostgreSQL: what they permit, from where and until when, on every process."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from backend.domain.access.scopes import Scope
from backend.domain.errors import Rejected
from tests.integration.apis import ORDER, WAIT_S, open_api, receive_hello
from tests.integration.database_proxy import open_database_proxy
from tests.integration.stored_keys import (
    STREAM,
    UPGRADE,
    make_key,
    open_keys,
    receive_close,
    send,
    show_key,
    wait_for_status,
)

CONFIGURED = {"X-API-Key": "bert-key-0123456789"}
KEYS = "bert:bert-key-0123456789"


async def test_a_key_that_is_made_while_processes_run_is_known_to_each(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, api_keys=KEYS) as one,
        open_api(database_url, redis_url, api_keys=KEYS) as two,
    ):
        anna = show_key(await make_key(database_url))
        for api in (one, two):
            await wait_for_status(api, anna, 200)
        order = await one.post("/api/orders/execute", dict(ORDER), headers=anna)
        path = f"/api/orders/{order['orderId']}"
        assert (await send(two, path, anna))[0] == 200
        assert (await send(two, path, CONFIGURED))[0] == 404
        assert (await send(one, headers={"X-API-Key": anna["Authorization"][7:]}))[0] == 200
        assert (await send(one, headers=show_key(anna["Authorization"][7:-1])))[0] == 401


async def test_a_revoked_key_is_refused_and_its_sockets_are_closed_on_every_process(
    database_url: str, redis_url: str
) -> None:
    anna = await make_key(database_url)
    other = await make_key(database_url)
    async with (
        open_api(database_url, redis_url) as one,
        open_api(database_url, redis_url) as two,
        open_keys(database_url) as keys,
    ):
        order = await one.post("/api/orders/execute", dict(ORDER), headers=show_key(anna))
        follow = f"/api/orders/upgrade/{order['orderId']}"
        async with (
            one.session.ws_connect(STREAM, headers=show_key(anna)) as stream,
            two.session.ws_connect(follow, headers=show_key(anna)) as followed,
            two.session.ws_connect("/api/orders/execute", headers=show_key(anna)) as placing,
            two.session.ws_connect(STREAM, headers=show_key(other)) as unharmed,
        ):
            await keys.revoke(anna.row.id)
            for socket in (stream, followed, placing):
                assert await receive_close(socket) == (1008, "access_ended")
            for api in (one, two):
                assert (await send(api, headers=show_key(anna)))[0] == 401
                assert (await send(api, headers=show_key(other)))[0] == 200
            await receive_hello(unharmed)
            assert not unharmed.closed


async def test_a_key_that_is_revoked_while_a_body_arrives_places_nothing(
    database_url: str, redis_url: str
) -> None:
    anna, reader = await make_key(database_url), show_key(await make_key(database_url))
    body = json.dumps(ORDER).encode()
    head = (
        f"POST /api/orders/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {anna.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    async with open_api(database_url, redis_url) as api, open_keys(database_url) as keys:
        address = urlsplit(api.url)
        receiver, sender = await asyncio.open_connection(address.hostname, address.port)
        sender.write(head.encode())
        async with asyncio.timeout(WAIT_S):
            assert b" 100 " in await receiver.readuntil(b"\r\n\r\n")  # the key was known
            await keys.revoke(anna.row.id)
            await wait_for_status(api, show_key(anna), 401)
            sender.write(body)
            assert b" 401 " in await receiver.readline()
        sender.close()
        await sender.wait_closed()
        assert (await send(api, "/api/orders", reader))[1]["orders"] == []


async def test_changed_scopes_hold_for_requests_and_sockets(
    database_url: str, redis_url: str
) -> None:
    anna = await make_key(database_url, "anna", Scope.READ, Scope.TRADE)
    async with (
        open_api(database_url, redis_url) as api,
        open_keys(database_url) as keys,
        api.session.ws_connect(STREAM, headers=show_key(anna)) as stream,
        api.session.ws_connect("/api/orders/execute", headers=show_key(anna)) as placing,
    ):
        await keys.change(anna.row.id, scopes={Scope.TRADE})
        assert await receive_close(stream) == (1008, "access_ended")
        status, problem = await send(api, headers=show_key(anna))
        assert (status, problem["code"], problem["scopes"]) == (403, "insufficient_scope", ["read"])
        await placing.send_json(dict(ORDER))
        assert (await placing.receive_json())["status"] == "queued"


async def test_a_key_expires_and_its_sockets_with_it(database_url: str, redis_url: str) -> None:
    anna = await make_key(database_url, expires_in=timedelta(seconds=3))
    async with (
        open_api(database_url, redis_url) as api,
        api.session.ws_connect(STREAM, headers=show_key(anna)) as stream,
    ):
        assert await receive_close(stream) == (1008, "access_ended")
        assert (await send(api, headers=show_key(anna)))[0] == 401


async def test_a_rotated_key_is_valid_for_the_overlap(database_url: str, redis_url: str) -> None:
    networks = (ip_network("127.0.0.0/8"),)
    anna = await make_key(database_url, "anna", Scope.READ, networks=networks)
    async with (
        open_api(database_url, redis_url) as api,
        open_keys(database_url) as keys,
    ):
        second = await keys.rotate(anna.row.id, overlap=timedelta(hours=1))
        assert second.row[1:4] == ("anna", frozenset({Scope.READ}), networks)
        assert second.row.expires_at is None
        await wait_for_status(api, show_key(second), 200)
        assert (await send(api, headers=show_key(anna)))[0] == 200
        [old, new] = await keys.list_keys()
        assert old.expires_at is not None
        assert (old.expires_at - new.created_at, old.replaced_by) == (timedelta(hours=1), new.id)
        with pytest.raises(Rejected):
            await keys.rotate(anna.row.id, overlap=timedelta(hours=1))
        third = await keys.rotate(second.row.id, overlap=timedelta(0))
        await wait_for_status(api, show_key(second), 401)
        assert (await send(api, headers=show_key(third)))[0] == 200
        assert (await send(api, headers=show_key(anna)))[0] == 200


async def test_a_key_is_for_calls_from_its_networks(database_url: str, redis_url: str) -> None:
    inside = await make_key(database_url, networks=(ip_network("10.0.0.0/8"),))
    ticket_path = "/api/tickets"
    async with open_api(database_url, redis_url) as api, open_keys(database_url) as keys:
        status, problem = await send(api, headers=show_key(inside))
        assert (status, problem["code"]) == (403, "address_not_allowed")
        forwarded = show_key(inside) | {"X-Forwarded-For": "10.1.2.3"}
        assert (await send(api, headers=forwarded))[0] == 200
        _, answer = await send(api, ticket_path, forwarded, method="POST")
        refused = await send(api, f"{STREAM}?ticket={answer['ticket']}", UPGRADE)
        assert (refused[0], refused[1]["code"]) == (403, "address_not_allowed")
        async with api.session.ws_connect(STREAM, headers=forwarded) as stream:
            await keys.change(inside.row.id, networks=(ip_network("127.0.0.1/32"),))
            assert await receive_close(stream) == (1008, "access_ended")
        assert (await send(api, headers=show_key(inside)))[0] == 200


async def test_a_ticket_has_the_scopes_of_its_key_and_ends_with_it(
    database_url: str, redis_url: str
) -> None:
    trader = await make_key(database_url, "anna", Scope.TRADE)
    async with (
        open_api(database_url, redis_url) as one,
        open_api(database_url, redis_url) as two,
        open_keys(database_url) as keys,
    ):
        tickets = [
            (await send(one, "/api/tickets", show_key(trader), method="POST"))[1]["ticket"]
            for _ in range(3)
        ]
        status, problem = await send(two, f"{STREAM}?ticket={tickets[0]}", UPGRADE)
        assert (status, problem["scopes"]) == (403, ["read"])
        async with two.session.ws_connect(f"/api/orders/execute?ticket={tickets[1]}") as socket:
            await keys.revoke(trader.row.id)
            assert await receive_close(socket) == (1008, "access_ended")
        status, problem = await send(two, f"/api/orders/execute?ticket={tickets[2]}", UPGRADE)
        assert (status, problem["code"]) == (401, "invalid_ticket")


async def test_the_first_key_closes_an_open_api_and_nothing_opens_it_again(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_keys(database_url) as keys:
        assert (await send(api))[0] == 200
        async with api.session.ws_connect(STREAM) as stream:
            anna = await keys.create("anna", {Scope.READ})
            assert await receive_close(stream) == (1008, "access_ended")
        assert (await send(api))[0] == 401
        await wait_for_status(api, show_key(anna), 200)
        await keys.revoke(anna.row.id)
        await wait_for_status(api, show_key(anna), 401)
        assert (await send(api))[0] == 401
    async with open_api(database_url, redis_url) as api:
        assert (await send(api))[0] == 401


async def test_an_api_that_is_never_open_asks_for_a_key_before_there_is_one(
    database_url: str, redis_url: str
) -> None:
    async with open_api(
        database_url,
        redis_url,
        host="0.0.0.0",  # noqa: S104 - of a test
        open_access="never",
    ) as api:
        assert (await send(api))[0] == 401
        await wait_for_status(api, show_key(await make_key(database_url)), 200)


async def test_without_the_database_stored_keys_are_taken_for_a_stated_time_only(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    anna = await make_key(database_url)
    path = "/api/orders/cancel-after"
    async with open_database_proxy(database_url, data_dir) as proxy:
        options = {"api_keys": KEYS, "keys_stale_max_s": 2}
        async with (
            open_api(proxy.url, redis_url, **options) as api,
            open_api(proxy.url, redis_url, api_keys=KEYS, keys_stale_max_s=3600) as patient,
            # It waits for its first message, and reads nothing from the database.
            api.session.ws_connect("/api/orders/execute", headers=show_key(anna)) as placing,
        ):
            await proxy.cut()
            # Nothing is asked of the database to know a key: what it has to read is what fails.
            status, problem = await send(patient, path, show_key(anna))
            assert (status, problem["code"]) == (503, "database_unavailable")
            assert await receive_close(placing) == (1013, "try_again_later")
            status, problem = await send(api, path, show_key(anna))
            assert (status, problem["code"]) == (503, "keys_unavailable")
            _, problem = await send(api, path, CONFIGURED)
            assert problem["code"] == "database_unavailable"
            assert (await send(api, path, show_key("oek_000000000000_x")))[0] == 401
            assert (await send(patient, "/api/tickets", show_key(anna), method="POST"))[0] == 201
            await proxy.restore()
            await wait_for_status(api, show_key(anna), 200)
