"""The benchmark's client reads answers as they come, and refuses what is not an acceptance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from backend.domain.errors import Rejected
from backend.trials.bench import order_bodies as orders
from backend.trials.bench.load_client import connected

ANSWER = '{{"status":"queued","orderId":"{}","ws_url":"ws://x?orderId=7"}}'


@asynccontextmanager
async def api(answer: Callable[[int], tuple[int, str]]) -> AsyncIterator[str]:
    """A server that answers the n-th request with a status and a body, in small pieces."""
    served = 0
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            while head := await _head(reader):
                await one(head, reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def one(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        status, body = answer(served)
        served += 1
        content = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        for at in range(0, len(content), 50):
            writer.write(content[at : at + 50])
            await asyncio.sleep(0)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.wait([task for task in serving if task is not None], timeout=10)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def test_every_request_is_answered_and_its_order_known() -> None:
    async with (
        api(lambda n: (202, ANSWER.format(f"order-{n}"))) as url,
        connected(url, 3) as client,
    ):
        requests = orders.singles(url, orders.bodies(Random(1), 10))
        answers = await client.post(requests)
        assert answers.since.keys() == {f"order-{n}" for n in range(10)}
        assert len(answers.delays_s) == 10


async def test_at_a_fixed_rate_delays_count_from_when_they_were_due() -> None:
    async with api(lambda n: (202, ANSWER.format(n))) as url, connected(url, 1) as client:
        requests = orders.singles(url, orders.bodies(Random(1), 5))
        answers = await client.post(requests, rate=1_000)
        assert sorted(answers.since.values()) == pytest.approx(
            [answers.first_s + n / 1_000 for n in range(5)], abs=1e-3
        )


async def test_an_order_that_is_refused_ends_it_with_the_answer() -> None:
    async with (
        api(lambda n: (503, "too busy") if n == 3 else (202, ANSWER.format(n))) as url,
        connected(url, 2) as client,
    ):
        requests = orders.singles(url, orders.bodies(Random(1), 10))
        with pytest.raises(Rejected, match="answered 503: too busy"):
            await client.post(requests)


def test_orders_are_the_same_for_a_seed_and_shared_out_in_batches() -> None:
    bodies = orders.bodies(Random(3), 25)
    assert bodies == orders.bodies(Random(3), 25)
    assert all(body["tokenIn"] != body["tokenOut"] for body in bodies)
    found = orders.batches("http://h:1", bodies, 10)
    assert [request.count(b'"tokenIn"') for request in found] == [10, 10, 5]
    assert all(request.startswith(b"POST /api/orders/batch HTTP/1.1\r\n") for request in found)
