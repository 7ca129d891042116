"""Receivers of webhooks for tests: real HTTP servers, which answer as a test says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
from aiohttp import web
from standardwebhooks.webhooks import Webhook as Verifier

from tests.integration.apis import (
    Json,
    OrderDriver,
    RunningApi,
    open_api,
    open_driver,
    wait_until,
)
from tests.integration.stored_keys import send

WEBHOOKS = "/api/webhooks"
LOCAL = {"webhook_networks": "127.0.0.0/8", "webhook_http": True, "webhook_backoff_s": 0.02}
"""Settings with which receivers on this machine are allowed."""

Answer = Callable[[Json], Awaitable[web.StreamResponse]]


async def take(_: Json) -> web.StreamResponse:
    return web.Response(text="thank you")


def refuse(status: int, **headers: str) -> Answer:
    async def answer(_: Json) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


async def hang(_: Json) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


class Receiver:
    """Verifies what it gets by the reference library; ``answer`` decides what it says."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.answer: Answer = take
        self.attempts: list[Json] = []
        """All messages, with their ``webhook-id``."""
        self.taken: list[Json] = []
        """Those that were answered by 200."""
        self.changed = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        message = dict(Verifier(self.secret).verify(body, dict(request.headers)))
        message["id"] = request.headers["webhook-id"]
        self.attempts.append(message)
        await self._notify()
        response = await self.answer(message)
        if response.status == 200:
            self.taken.append(message)
            await self._notify()
        return response

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def wait(self, is_enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(is_enough)

    async def wait_taken(self, count: int) -> list[Json]:
        """The messages that were taken, when there are so many different ones."""
        await self.wait(lambda: len({each["id"] for each in self.taken}) >= count)
        return self.taken

    def list_seqs(self) -> dict[str, list[int]]:
        """The ``seq`` of all attempts by order, in the order in which they came."""
        seqs: dict[str, list[int]] = defaultdict(list)
        for each in self.attempts:
            seqs[each["data"]["orderId"]].append(each["data"]["seq"])
        return seqs

    def require_order(self) -> None:
        """No event of an order came after a later one of it, and none was left out."""
        for seqs in self.list_seqs().values():
            assert seqs == sorted(seqs), seqs
            assert set(seqs) == set(range(1, max(seqs) + 1)), seqs


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
    finally:
        await runner.cleanup()


async def make_webhook(
    api: RunningApi, receiver: Receiver, headers: dict[str, str] | None = None, **fields: Any
) -> Json:
    """A webhook of a receiver, which knows its secret then."""
    body = {"url": receiver.url, **fields}
    status, webhook = await send(api, WEBHOOKS, headers, method="POST", body=body)
    assert status == 201, webhook
    receiver.secret = webhook["secret"]
    return webhook


async def read_webhook(api: RunningApi, id_: str, headers: dict[str, str] | None = None) -> Json:
    return (await send(api, f"{WEBHOOKS}/{id_}", headers))[1]


async def wait_for_webhook(
    api: RunningApi, id_: str, is_so: Callable[[Json], bool], headers: dict[str, str] | None = None
) -> Json:
    async def check() -> bool:
        return is_so(await read_webhook(api, id_, headers))

    await wait_until(check)
    return await read_webhook(api, id_, headers)


EVENTS = 5
"""So many events has an order that is confirmed at once."""


class Engine(NamedTuple):
    api: RunningApi
    driver: OrderDriver

    async def run_orders(self, count: int) -> list[str]:
        """Place and execute orders; returns their ids."""
        orders = [await self.api.place_order() for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            for order_id in orders:
                group.create_task(self.driver.confirm(order_id))
        return [str(each) for each in orders]


@asynccontextmanager
async def open_engine(
    database_url: str, redis_url: str, **settings: object
) -> AsyncIterator[Engine]:
    async with (
        open_api(database_url, redis_url, **LOCAL, **settings) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        yield Engine(api, driver)


async def list_deliveries(api: RunningApi, webhook: Json, state: str) -> list[Json]:
    path = f"{WEBHOOKS}/{webhook['id']}/deliveries?limit=500&state={state}"
    deliveries: list[Json] = (await send(api, path))[1]["deliveries"]
    return deliveries


async def execute(database_url: str, statement: str, *arguments: object) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()
