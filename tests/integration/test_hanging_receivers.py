"""Receivers of webhooks that hang, and names that do: they cost their own owner only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from aiohttp.abc import ResolveResult

from backend.api.webhooks.attempt_slots import OWNER_SLOTS_MAX
from backend.api.webhooks.deliverer import ATTEMPTS_MAX
from backend.api.webhooks.messages import build_test_message
from backend.api.webhooks.receiver_connections import ReceiverResolver, sending_owner
from backend.api.webhooks.sender import MessageSender
from backend.api.wire.public_address import parse_networks
from backend.api.wire.webhooks.receiver_addresses import ReceiverPolicy
from backend.domain.webhooks.webhook import SigningSecrets
from backend.engine.api_services import now
from tests.integration.apis import RunningApi, wait_until
from tests.integration.stored_keys import make_key, show_key
from tests.integration.webhook_receivers import (
    Receiver,
    hang,
    make_webhook,
    open_engine,
    open_receiver,
)

ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}
WEBHOOKS = 7
UNDER_WAY_MAX = WEBHOOKS + OWNER_SLOTS_MAX
"""Most attempts of an owner with so many webhooks; each wants ``ATTEMPTS_MAX``."""


class Owner(NamedTuple):
    api: RunningApi
    headers: dict[str, str]
    receivers: list[Receiver]

    async def place_orders(self, count: int) -> None:
        for _ in range(count):
            await self.api.post("/api/orders/execute", ORDER, headers=self.headers)

    async def hang_all(self) -> None:
        """Have all receivers take as much as it needs to get many attempts, and then hang."""
        await self.place_orders(ATTEMPTS_MAX)
        for receiver in self.receivers:
            await receiver.wait_taken(ATTEMPTS_MAX)
            receiver.answer, receiver.attempts = hang, []
        await self.place_orders(ATTEMPTS_MAX)
        await wait_until(self.is_full)

    async def is_full(self) -> bool:
        under_way = [len(each.attempts) for each in self.receivers]
        assert sum(under_way) <= UNDER_WAY_MAX
        return all(under_way) and sum(under_way) == UNDER_WAY_MAX


@asynccontextmanager
async def open_owner(
    api: RunningApi, headers: dict[str, str], webhooks: int = WEBHOOKS
) -> AsyncIterator[Owner]:
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(open_receiver()) for _ in range(webhooks)]
        for each in receivers:
            await make_webhook(api, each, headers)
        yield Owner(api, headers, receivers)


async def test_receivers_that_hang_take_nothing_from_other_owners(
    database_url: str, redis_url: str
) -> None:
    """Two owners have as many attempts under way as they may, none of which ends."""
    owners = ("anna", "bert", "carl")
    anna, bert, carl = [show_key(await make_key(database_url, each)) for each in owners]
    async with (
        open_engine(database_url, redis_url, webhook_timeout_s=60, webhook_lease_s=300) as engine,
        open_owner(engine.api, anna) as first,
        open_owner(engine.api, bert) as second,
        open_owner(engine.api, carl, webhooks=1) as other,
    ):
        for owner in (first, second):
            await owner.hang_all()
        await other.place_orders(20)
        await other.receivers[0].wait_taken(20)
        assert await first.is_full()
        assert await second.is_full()


async def test_a_receiver_that_says_endlessly_that_it_goes_on_is_cut_off() -> None:
    has_ended = asyncio.Event()

    async def go_on(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)
                await writer.drain()
        except ConnectionError:
            has_ended.set()

    policy = ReceiverPolicy(parse_networks("127.0.0.0/8"), allows_http=True)
    sender = MessageSender(policy, timeout_s=60, now=now)
    async with await asyncio.start_server(go_on, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        message = build_test_message("x", "webhook.test", now())
        attempt = await sender.send(url, message, SigningSecrets(b"1" * 32), owner="anna")
        assert attempt.error.partition(":")[0] == "invalid_answer"
        await has_ended.wait()
    await sender.close()


async def test_names_that_hang_take_nothing_from_other_owners() -> None:
    may_end = threading.Event()

    def look_up(host: str, *_: object) -> list[Any]:
        if host == "hanging":
            may_end.wait(30)
        return [(2, 1, 6, "", ("192.0.2.1", 80))]

    async def resolve(owner: str, host: str) -> list[ResolveResult]:
        sending_owner.set(owner)
        return await resolver.resolve(host)

    resolver = ReceiverResolver(look_up)
    async with asyncio.TaskGroup() as tasks:
        hanging = [tasks.create_task(resolve("anna", "hanging")) for _ in range(200)]
        found = await tasks.create_task(resolve("bert", "hooks.example"))
        assert [each["host"] for each in found] == ["192.0.2.1"]
        assert not any(each.done() for each in hanging)
        for each in hanging[:100]:
            each.cancel()  # its time is over; its thread goes on
        may_end.set()
    assert [each.cancelled() for each in hanging] == [True] * 100 + [False] * 100
    await resolver.close()
