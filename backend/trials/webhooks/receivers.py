"""Receivers of a trial: they verify what they get, and fail as they are told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

import orjson
from aiohttp import web
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

HANG_S: Final = 60.0
_FAULT_SHARE: Final = 0.12
"""How often a receiver that is faulty now and then is."""


class Manner(StrEnum):
    """How a receiver behaves."""

    WELL = "well"
    FAULTY = "faulty now and then"
    """Some messages get 500, no answer, a redirect, or a closed connection."""
    AWAY = "away"
    """All get 503, until the receiver is back."""


@dataclass(slots=True)
class Receiver:
    """A receiver of one webhook, with everything that it got."""

    owner: str
    manner: Manner
    random: Random
    secret: str = ""
    url: str = ""
    seqs: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The ``seq`` of all messages by order, as they came."""
    taken: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    repeats: int = 0
    forged: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a message."""
        body = await request.text()
        try:
            Verifier(self.secret).verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        event = orjson.loads(body)["data"]
        order_id, seq = event["orderId"], event["seq"]
        self.seqs[order_id].append(seq)
        fault = await self._draw_fault(request)
        if fault is not None:
            return fault
        self.repeats += seq in self.taken[order_id]
        self.taken[order_id].add(seq)
        return web.Response()

    async def _draw_fault(self, request: web.Request) -> web.StreamResponse | None:
        if self.manner is Manner.AWAY:
            return web.Response(status=503)
        if self.manner is Manner.WELL or self.random.random() >= _FAULT_SHARE:
            return None
        match self.random.randrange(4):
            case 0:
                await asyncio.sleep(HANG_S)
            case 1 if request.transport is not None:
                request.transport.abort()
            case 2:
                return web.Response(status=307, headers={"Location": self.url})
            case _:
                pass
        return web.Response(status=500)

    def count_taken(self) -> int:
        """How many different events it has taken."""
        return sum(map(len, self.taken.values()))


@asynccontextmanager
async def serve_receivers(receivers: list[Receiver]) -> AsyncIterator[None]:
    """Serve receivers on a port of this machine, each on a path of its own."""
    app = web.Application()
    for number, receiver in enumerate(receivers):
        app.router.add_post(f"/{number}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        for number, receiver in enumerate(receivers):
            receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/{number}"
        yield
    finally:
        await runner.cleanup()
