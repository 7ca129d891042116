"""The benchmark's load client parses responses in pieces, and fails on any that is not 202."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from backend.domain.errors import Rejected
from backend.trials.bench import order_bodies
from backend.trials.bench.load_client import open_load_client

ACCEPTED_BODY = '{{"status":"queued","orderId":"{}","ws_url":"ws://x?orderId=7"}}'


@asynccontextmanager
async def run_fake_api(respond: Callable[[int], tuple[int, str]]) -> AsyncIterator[str]:
    """A server that responds to the n-th request with a status and a body, in small pieces."""
    request_count = 0
    connections: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            while head := await _read_head(reader):
                await respond_once(head, reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def respond_once(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal request_count
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        status, body = respond(request_count)
        request_count += 1
        content = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        for at in range(0, len(content), 50):
            writer.write(content[at : at + 50])
            await asyncio.sleep(0)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.wait([task for task in connections if task is not None], timeout=10)


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def test_every_request_is_answered_and_its_order_known() -> None:
    async with (
        run_fake_api(lambda n: (202, ACCEPTED_BODY.format(f"order-{n}"))) as url,
        open_load_client(url, 3) as client,
    ):
        requests = order_bodies.build_single_requests(url, order_bodies.build_bodies(Random(1), 10))
        results = await client.post(requests)
        assert results.due_at_s.keys() == {f"order-{n}" for n in range(10)}
        assert len(results.delays_s) == 10


async def test_at_a_fixed_rate_delays_count_from_when_they_were_due() -> None:
    async with (
        run_fake_api(lambda n: (202, ACCEPTED_BODY.format(n))) as url,
        open_load_client(url, 1) as client,
    ):
        requests = order_bodies.build_single_requests(url, order_bodies.build_bodies(Random(1), 5))
        results = await client.post(requests, rate=1_000)
        assert sorted(results.due_at_s.values()) == pytest.approx(
            [results.started_s + n / 1_000 for n in range(5)], abs=1e-3
        )


async def test_an_order_that_is_refused_ends_it_with_the_answer() -> None:
    async with (
        run_fake_api(
            lambda n: (503, "too busy") if n == 3 else (202, ACCEPTED_BODY.format(n))
        ) as url,
        open_load_client(url, 2) as client,
    ):
        requests = order_bodies.build_single_requests(url, order_bodies.build_bodies(Random(1), 10))
        with pytest.raises(Rejected, match="responded 503: too busy"):
            await client.post(requests)


def test_orders_are_the_same_for_a_seed_and_shared_out_in_batches() -> None:
    bodies = order_bodies.build_bodies(Random(3), 25)
    assert bodies == order_bodies.build_bodies(Random(3), 25)
    assert all(body["tokenIn"] != body["tokenOut"] for body in bodies)
    requests = order_bodies.build_batch_requests("http://h:1", bodies, 10)
    assert [request.count(b'"tokenIn"') for request in requests] == [10, 10, 5]
    assert all(request.startswith(b"POST /api/orders/batch HTTP/1.1\r\n") for request in requests)
