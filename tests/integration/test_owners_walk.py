"""Owners apart on every route and socket: another owner's orders are as if they did not exist."""

from __future__ import annotations

import re
from dataclasses import asdict
from uuid import UUID

import aiohttp
import pytest

from backend.api.application.route_table import ROUTES, SOCKETS
from tests.integration.apis import (
    ORDER,
    WAIT_S,
    Json,
    RunningApi,
    has_at_least,
    open_api,
    open_driver,
    receive_hello,
    receive_stream,
)
from tests.integration.owner_probes import (
    LIMIT,
    ORDERS,
    PROBES,
    RECEIVER,
    STOP,
    WEBHOOKS,
    Marks,
    Probe,
)
from tests.integration.stored_keys import STREAM, make_key, send, show_key

METHODS = ("GET", "WS", "PUT", "PATCH", "DELETE", "POST")
"""Those that place something come last."""
_ID = "01a20172-0000-7000-8000-00000000000"
NOWHERE = Marks(f"{_ID}1", f"{_ID}2", f"{_ID}3", f"{_ID}4", "no-client", "no-key", f"{_ID}5")
"""Marks of orders that nobody has."""
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z"), "<time>"),
    (re.compile(r'"(requestId|instance|ticket|cursor|ws_url)": *"[^"]*"'), "<other>"),
)


def list_names() -> list[str]:
    """The routes and sockets that take a key, by method and path."""
    routes = [f"{route.method} {route.path}" for route in ROUTES if route.scopes]
    names = [*routes, *(f"WS {route.path}" for route in SOCKETS)]
    return sorted(names, key=lambda name: METHODS.index(name.partition(" ")[0]))


async def ask(api: RunningApi, name: str, probe: Probe, headers: dict[str, str]) -> tuple[int, str]:
    """The status and the text of an answer; of a socket those of its handshake."""
    method = name.partition(" ")[0]
    if method == "WS":
        try:
            async with api.session.ws_connect(probe.path, headers=headers):
                return 101, ""
        except aiohttp.WSServerHandshakeError as error:
            return error.status, ""
    async with api.session.request(
        method, probe.path, json=probe.body, headers={**headers, **probe.headers}
    ) as response:
        return response.status, await response.text()


def level(text: str, marks: Marks) -> str:
    """An answer without what differs from request to request, and without the marks themselves."""
    for mark in asdict(marks).values():
        text = text.replace(mark, "<mark>")
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


async def place_orders(api: RunningApi, headers: dict[str, str]) -> Marks:
    named = {**ORDER, "clientOrderId": "client-of-anna"}
    keyed = headers | {"Idempotency-Key": "key-of-anna"}
    order = await api.post(f"{ORDERS}/execute", named, headers=keyed)
    keyed = headers | {"Idempotency-Key": "batch-key-of-anna"}
    batch = await api.post(f"{ORDERS}/batch", {"orders": [LIMIT, STOP]}, headers=keyed)
    await api.post(f"{ORDERS}/cancel-after", {"seconds": 3_600}, 200, headers=headers)
    waiting = batch["orders"][0]["orderId"]
    _, shown = await send(api, f"{ORDERS}/{waiting}", headers)
    hook = await api.post(WEBHOOKS, {"url": RECEIVER}, 201, headers=headers)
    marks = order["orderId"], waiting, batch["batchId"], shown["ocoGroup"]
    return Marks(*marks, "client-of-anna", "key-of-anna", hook["id"])


async def load_everything(api: RunningApi, headers: dict[str, str]) -> list[Json]:
    """All that an owner can read of its orders."""
    [listed, timer] = [
        (await send(api, path, headers))[1]
        for path in (f"{ORDERS}?order=asc", f"{ORDERS}/cancel-after")
    ]
    events = [
        (await send(api, f"{ORDERS}/{each['orderId']}/events", headers))[1]
        for each in listed["orders"]
    ]
    _, webhooks = await send(api, WEBHOOKS, headers)
    owned = [(each["id"], each["state"]) for each in webhooks["webhooks"]]
    return [{"orders": listed["orders"], "webhooks": owned}, timer, *events]


async def test_to_another_owner_every_order_is_as_one_that_does_not_exist(
    database_url: str, redis_url: str
) -> None:
    """On every route and socket of the table; one that ``PROBES`` does not have fails."""
    anna, bert = [show_key(await make_key(database_url, name)) for name in ("anna", "bert")]
    async with open_api(database_url, redis_url) as api:
        marks = await place_orders(api, anna)
        before = await load_everything(api, anna)
        for name in list_names():
            for probe in PROBES[name]:
                answers = [
                    (status, level(text, each))
                    for each in (marks, NOWHERE)
                    for status, text in [await ask(api, name, probe.fill(each), bert)]
                ]
                assert answers[0] == answers[1], (name, probe)
                if probe.shows:
                    _, text = await ask(api, name, probe.fill(marks), anna)
                    assert asdict(marks)[probe.shows] in text, (name, probe)
        assert await load_everything(api, anna) == before
        # Keys of idempotency are each owner's own: what Bert repeated was placed anew.
        shown = str(await load_everything(api, bert))
        assert not [mark for mark in (marks.order, marks.waiting, marks.batch) if mark in shown]
        assert shown.count("'orderId'") > 0


async def test_no_stream_of_another_owner_has_an_event_of_an_order(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.api.sockets.stream_socket.HEARTBEAT_S", 0.05)
    anna, bert = [show_key(await make_key(database_url, name)) for name in ("anna", "bert")]
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        marks = await place_orders(api, anna)
        paths = [probe.fill(marks).path for probe in PROBES[f"WS {STREAM}"]]
        async with (
            api.session.ws_connect(paths[0], headers=bert) as unfiltered,
            api.session.ws_connect(paths[1], headers=bert) as by_order,
            api.session.ws_connect(paths[2], headers=bert) as by_batch,
        ):
            for socket in (unfiltered, by_order, by_batch):
                await receive_hello(socket)
            await driver.confirm(UUID(marks.order))
            _, cancelled = await send(api, f"{ORDERS}/{marks.waiting}", anna, method="DELETE")
            assert cancelled["status"] == "cancelled"
            placed = await api.post(f"{ORDERS}/execute", dict(ORDER), headers=bert)
            events = await receive_stream(unfiltered, has_at_least(1))
            assert [event["orderId"] for event in events] == [placed["orderId"]]
            for socket in (by_order, by_batch):
                frame = await socket.receive_json(timeout=WAIT_S)
                assert list(frame) == ["heartbeat"]
