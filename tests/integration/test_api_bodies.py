"""Request bodies: who may send one, how large one and all together may be, and how complex."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from backend.api.wire.http import ORDER_BYTES_MAX
from tests.integration.apis import ORDER, WAIT_S, RunningApi, open_api, receive_events, wait_until

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"
QUOTES = "/api/quotes"
KEY = "anna-key-0123456789"
MIB = 1 << 20

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def open_connections(api: RunningApi, count: int = 1) -> AsyncIterator[Sequence[Connection]]:
    host, port = api.url.removeprefix("http://").split(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    try:
        yield connections
    finally:
        for _, writer in connections:
            writer.close()


def build_head(path: str, size: int, *, method: str = "POST", key: str = "") -> bytes:
    """The headers of a request whose body has this size; a negative one is not known yet."""
    length = f"Content-Length: {size}" if size >= 0 else "Transfer-Encoding: chunked"
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        length,
    ]
    if key:
        lines.append(f"X-API-Key: {key}")
    return "\r\n".join([*lines, "\r\n"]).encode()


async def read_status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(WAIT_S):
        return int((await reader.readline()).split()[1])


async def read_open_connections(api: RunningApi) -> float:
    async with api.session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    [line] = [line for line in lines if line.startswith("http_connections_open ")]
    return float(line.split()[1])


@pytest.mark.parametrize("key", ["", "wrong-key-0123456789"], ids=["no key", "an unknown key"])
async def test_a_caller_without_a_key_is_refused_before_its_body_is_there(
    database_url: str, redis_url: str, key: str
) -> None:
    requests = [
        ("POST", EXECUTE, 60_000),
        ("POST", BATCH, MIB),
        ("POST", BATCH, -1),
        ("POST", QUOTES, 60_000),
        ("POST", BATCH, 100 * MIB),
        ("GET", "/api/orders", 60_000),
        ("PUT", "/api/nowhere", -1),
    ]
    async with open_api(database_url, redis_url, api_keys=f"anna:{KEY}") as api:
        for method, path, size in requests:
            async with open_connections(api) as [(reader, writer)]:
                writer.write(build_head(path, size, method=method, key=key))
                writer.write(b"ff\r\n{" if size < 0 else b"{")
                assert await read_status(reader) == 401, (method, path, size)
                assert b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower()


@pytest.mark.parametrize("size", [100 * MIB, 3 * MIB], ids=["far too large", "too large"])
async def test_a_refused_upload_ends_and_frees_its_connection(
    database_url: str, redis_url: str, size: int
) -> None:
    async with open_api(database_url, redis_url) as api:
        before = await read_open_connections(api)
        async with open_connections(api, 4) as connections:
            for number, (_, writer) in enumerate(connections):
                writer.write(build_head(BATCH if number % 2 else EXECUTE, size))
                writer.write(b" " * (3 * MIB))
            for reader, _ in connections:
                assert await read_status(reader) == 413

        async def is_freed() -> bool:
            return await read_open_connections(api) == before

        await wait_until(is_freed)


async def test_all_bodies_together_have_a_bound_and_the_slowest_is_refused(
    database_url: str, redis_url: str
) -> None:
    keys = {"api_keys": f"anna:{KEY}", "all_bodies_bytes_max": 4 * MIB}
    size = MIB - 1
    async with open_api(database_url, redis_url, **keys) as api, open_connections(api, 12) as slow:
        for _, writer in slow:
            writer.write(build_head(BATCH, MIB, key=KEY) + b" " * size)
            await writer.drain()
        # Each of the last ones has taken the memory of one before it.
        refused = [await read_status(reader) for reader, _ in slow[:8]]
        assert refused == [503] * 8
        headers = await slow[0][0].readuntil(b"\r\n\r\n")
        assert b"retry-after: 1" in headers.lower()
        for _ in range(3):
            await api.post(EXECUTE, dict(ORDER), headers={"X-API-Key": KEY})
        for reader, writer in slow[9:]:  # the last order took the memory of one more
            writer.write(b" ")
            assert await read_status(reader) == 400


async def test_a_single_order_has_a_bound_of_its_own(database_url: str, redis_url: str) -> None:
    too_large = json.dumps(ORDER).encode().ljust(ORDER_BYTES_MAX + 1)
    headers = {"Content-Type": "application/json"}
    async with open_api(database_url, redis_url) as api:
        for path in (EXECUTE, QUOTES):
            async with api.session.post(path, data=too_large, headers=headers) as response:
                assert response.status == 413
        async with api.session.ws_connect(EXECUTE) as socket:
            await socket.send_bytes(too_large)
            assert await receive_events(socket, code=1009) == []
        assert await api.count_stored() == 0
        async with api.session.post(EXECUTE, data=too_large[:-1], headers=headers) as response:
            assert response.status == 202
        batch = json.dumps({"orders": [ORDER]}).encode().ljust(ORDER_BYTES_MAX + 1)
        async with api.session.post(BATCH, data=batch, headers=headers) as response:
            assert response.status == 202


COMPLEX = {
    "empty arrays": "[" + ",".join(["[]"] * 20_000) + "]",
    "unknown fields": json.dumps({f"field{n}": n for n in range(4_000)}),
    "one order of many fields": json.dumps({"orders": [{f"f{n}": n for n in range(4_000)}]}),
    "numbers": json.dumps({"orders": [1] * 20_000}),
}


@pytest.mark.parametrize("name", COMPLEX)
async def test_a_body_of_too_many_values_is_refused_before_it_is_decoded(
    database_url: str, redis_url: str, name: str
) -> None:
    text = COMPLEX[name]
    async with open_api(database_url, redis_url, batch_orders_max=100) as api:
        for path in (EXECUTE, BATCH, QUOTES):
            body = text if len(text) < ORDER_BYTES_MAX or path == BATCH else text[:ORDER_BYTES_MAX]
            async with api.session.post(
                path, data=body, headers={"Content-Type": "application/json"}
            ) as response:
                problem = await response.json(content_type=None)
            assert (response.status, problem["code"]) == (400, "too_many_values")
        async with api.session.ws_connect(EXECUTE) as socket:
            await socket.send_str(text[:ORDER_BYTES_MAX])
            [problem] = await receive_events(socket, code=1008)
        assert problem["code"] == "too_many_values"
        assert await api.count_stored() == 0


async def test_a_batch_of_as_many_orders_as_allowed_with_all_fields_is_accepted(
    database_url: str, redis_url: str
) -> None:
    order = {**ORDER, "type": "market", "slippageBps": 9, "maxPriceImpactBps": 9}
    orders = [{**order, "minAmountOut": "0.1", "clientOrderId": f"{n},[{{"} for n in range(50)]
    async with open_api(database_url, redis_url, batch_orders_max=50) as api:
        assert (await api.post(BATCH, {"orders": orders}))["accepted"] == 50


async def test_every_response_forbids_caches_and_guesses_of_its_type(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for method, path in [
            ("POST", EXECUTE),
            ("POST", BATCH),
            ("GET", "/api/orders"),
            ("GET", "/api/stats"),
            ("GET", "/api/nowhere"),
            ("DELETE", "/api/orders"),
            ("GET", "/healthz"),
            ("GET", "/metrics"),
        ]:
            async with api.session.request(method, path) as response:
                assert response.headers.getall("X-Content-Type-Options") == ["nosniff"], path
                assert response.headers.getall("Cache-Control") == ["no-store"], path
        async with api.session.get("/static/client.html") as response:
            assert response.headers.getall("X-Content-Type-Options") == ["nosniff"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect("/api/orders/stream?status=nope")
        assert refused.value.headers is not None
        assert refused.value.headers.getall("Cache-Control") == ["no-store"]
        for request in (b"garbage\r\n\r\n", b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n"):
            async with open_connections(api) as [(reader, writer)]:
                writer.write(request)
                assert await read_status(reader) in {400, 505}
                response_headers = (await reader.readuntil(b"\r\n\r\n")).lower()
                assert b"x-content-type-options: nosniff" in response_headers
                assert b"cache-control: no-store" in response_headers


@pytest.mark.parametrize("upgrade", ["h2c", "h2c, websocket"])
async def test_http2_in_clear_text_is_not_offered(
    database_url: str, redis_url: str, upgrade: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_connections(api, 2) as connections:
        (reader, writer), (other_reader, other_writer) = connections
        lines = [
            *("GET /healthz HTTP/1.1", "Host: localhost", f"Upgrade: {upgrade}"),
            *("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAA", "\r\n"),
        ]
        writer.write("\r\n".join(lines).encode())
        assert await read_status(reader) == 200
        other_writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert await read_status(other_reader) == 505
        await other_reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            assert b'"code":"http_version_not_supported"' in await other_reader.read()
