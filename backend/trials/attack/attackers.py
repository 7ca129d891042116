"""What attackers do, each at a steady pace, from a process of their own, until it is killed.

``python -m backend.trials.attack.attackers URL PACE NAME…``: ``PACE`` multiplies the number of
attacks a second, names are those of ``ATTACKS``. None of them has a key.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count
from random import Random
from typing import Final, NamedTuple
from urllib.parse import urlsplit

HOLD_S: Final = 30.0
"""How long an attacker keeps a connection open at most."""
MIB: Final = 1 << 20

_BATCH: Final = "/api/orders/batch"
_GUESSED_KEY: Final = "X-API-Key: guessed-key-000000"
_ORDER: Final = b'{"tokenIn":"SOL","tokenOut":"USDC","amount":"1"}'
_UPGRADE: Final = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


class Client:
    """One connection of an attacker; ``host`` is named by its requests."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, number: int
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._host = host
        self.number = number
        self.random = Random(number)  # noqa: S311 - not for secrets

    def build_get(self, path: str = "/healthz", headers: Sequence[str] = ()) -> bytes:
        """A request without a body. A host that is not the server's would be refused at once."""
        lines = (f"GET {path} HTTP/1.1", f"Host: {self._host}", *headers)
        return "\r\n".join((*lines, "\r\n")).encode()

    def post(self, path: str, size: int, body: bytes = b"", headers: Sequence[str] = ()) -> None:
        """Send the headers of ``size`` bytes of JSON, and what there is of them."""
        lines = (
            *(f"POST {path} HTTP/1.1", f"Host: {self._host}", *headers),
            *("Content-Type: application/json", f"Content-Length: {size}", "\r\n"),
        )
        self.writer.write("\r\n".join(lines).encode() + body)


async def _hold(client: Client) -> None:
    """Open a connection, perhaps use it once, and keep it."""
    if client.number % 2:
        client.writer.write(client.build_get())
    await asyncio.sleep(HOLD_S)


async def _open_shortly(client: Client) -> None:
    client.writer.write(client.build_get())
    await client.reader.read(1)


async def _send_unfinished_body(client: Client) -> None:
    """All but one byte of a body."""
    client.post(_BATCH, MIB, b" " * (MIB - 1))
    await client.writer.drain()
    await asyncio.sleep(HOLD_S)


async def _send_complex_body(client: Client) -> None:
    body = b'{"orders":[' + b"[]," * 100_000 + b"[]]}"
    client.post(_BATCH, len(body), body)
    await client.reader.read()


async def _send_slowly(client: Client) -> None:
    """A byte of the headers now and then."""
    sent = client.build_get()
    for byte in sent:
        client.writer.write(bytes([byte]))
        await client.writer.drain()  # raises once the server has closed the connection
        await asyncio.sleep(HOLD_S / len(sent))


async def _never_read(client: Client) -> None:
    client.writer.write(client.build_get("/openapi.json") * 20)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(HOLD_S)


async def _send_garbage(client: Client) -> None:
    client.writer.write(client.random.randbytes(client.random.randrange(1, 20_000)))
    await client.reader.read()


async def _post_without_key(client: Client) -> None:
    for _ in range(5):
        client.post("/api/orders/execute", len(_ORDER), _ORDER, (_GUESSED_KEY,))
        await client.reader.read(4_096)


async def _upgrade_without_key(client: Client) -> None:
    client.writer.write(client.build_get("/api/orders/stream", _UPGRADE))
    await client.reader.read()


class Attack(NamedTuple):
    """What one attacker does with each of its connections, and how many it opens a second."""

    run: Callable[[Client], Awaitable[None]]
    per_second: float


ATTACKS: Final = {
    "descriptors": (Attack(_hold, 40), Attack(_open_shortly, 40)),
    "bodies": (Attack(_send_unfinished_body, 8), Attack(_send_complex_body, 4)),
    "slow clients": (Attack(_send_slowly, 10), Attack(_never_read, 2)),
    "garbage": (Attack(_send_garbage, 20),),
    "floods without a key": (Attack(_post_without_key, 20), Attack(_upgrade_without_key, 10)),
}


async def attack(url: str, pace: float, names: Sequence[str]) -> None:
    """Attack the API at ``url`` until cancelled."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80

    async def use_connection(run: Callable[[Client], Awaitable[None]], number: int) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(2 * HOLD_S):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    await run(Client(reader, writer, parts.netloc, number))
                finally:
                    writer.transport.abort()

    async def repeat(each: Attack, running: asyncio.TaskGroup) -> None:
        started = asyncio.get_running_loop().time()
        for number in count():
            due = started + number / (each.per_second * pace)
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            running.create_task(use_connection(each.run, number))

    async with asyncio.TaskGroup() as group:
        for name in names:
            for each in ATTACKS[name]:
                group.create_task(repeat(each, group))


if __name__ == "__main__":
    # Real attackers bring their own machines: these take only what the engine leaves of the cores.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    asyncio.run(attack(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
