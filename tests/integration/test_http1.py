"""HTTP/1 beyond what clients mostly send: two lengths, targets with a host, waits for a body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from tests.integration.apis import ORDER, WAIT_S, Json, RunningApi, open_api

KEY = "key-of-the-owner-anna"
BODY = json.dumps(dict(ORDER)).encode()
POST = f"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n"
JSON_LINE = "Content-Type: application/json\r\n"
EXPECT = "Expect: 100-continue\r\n"


class RawClient:
    """One connection on which bytes are sent as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes | str) -> None:
        self._writer.write(data.encode() if isinstance(data, str) else data)

    async def read_head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(WAIT_S):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def read_response(self) -> tuple[int, Json]:
        """The next response, which may be no interim one, and its JSON."""
        status, headers = await self.read_head()
        assert status >= 200
        async with asyncio.timeout(WAIT_S):
            body = await self._reader.readexactly(int(headers["content-length"]))
        return status, json.loads(body)

    async def read_rest(self) -> bytes:
        """What comes before the server closes the connection."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.read()

    async def is_closed(self) -> bool:
        """Whether the server closes the connection with nothing more to read."""
        return await self.read_rest() == b""

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connect(api: RunningApi) -> AsyncIterator[RawClient]:
    host, port = api.url.removeprefix("http://").split(":")
    client = RawClient(*await asyncio.open_connection(host, int(port)))
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def open_keyed_api(database_url: str, redis_url: str) -> AsyncIterator[RunningApi]:
    async with open_api(database_url, redis_url, api_keys=f"anna:{KEY}") as api:
        yield api


async def count_orders(api: RunningApi) -> int:
    async with api.session.get("/api/orders", headers={"X-API-Key": KEY}) as response:
        return len((await response.json())["orders"])


@pytest.mark.parametrize("order", [1, -1])
async def test_a_request_with_two_lengths_of_its_body_is_refused_and_its_connection_closed(
    database_url: str, redis_url: str, order: int
) -> None:
    async with open_keyed_api(database_url, redis_url) as api, connect(api) as client:
        lengths = ["Transfer-Encoding: chunked\r\n", f"Content-Length: {len(BODY)}\r\n"][::order]
        chunk = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"
        client.send(f"{POST}{JSON_LINE}{''.join(lengths)}\r\n".encode() + chunk)
        status, problem = await client.read_response()
        assert (status, problem["code"]) == (400, "malformed_request")
        assert "Transfer-Encoding" in problem["detail"]
        assert await client.is_closed()
        assert await count_orders(api) == 0


@pytest.mark.parametrize(
    ("text", "status", "code", "words"),
    [
        ("nothing\r\n\r\n", 400, "malformed_request", "illegal request line"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "malformed_request", "host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed_request", "host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400, "malformed_request", "header"),
        (f"{POST}Content-Length: 1a\r\n\r\n", 400, "malformed_request", "content-length"),
        (f"{POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, None, "content-length"),
        (f"{POST}Transfer-Encoding: gzip\r\n\r\n", 501, None, "transfer-encoding"),
        (f"GET /{'a' * 100_000} HTTP/1.1\r\n", 431, "headers_too_large", ""),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "http_version_not_supported", "HTTP/2.0"),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, None, ""),
    ],
)
async def test_what_is_no_request_gets_a_problem_that_says_why(
    database_url: str, redis_url: str, text: str, status: int, code: str | None, words: str
) -> None:
    async with open_api(database_url, redis_url) as api, connect(api) as client:
        client.send(text)
        answered, headers = await client.read_head()
        assert answered == status
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        problem = json.loads(await client.read_rest())
        assert problem["status"] == status
        assert code in {None, problem["code"]}
        assert words.lower() in problem["detail"].lower()


async def test_a_target_in_absolute_form_is_its_path_on_the_host_that_it_names(
    database_url: str, redis_url: str
) -> None:
    async with open_keyed_api(database_url, redis_url) as api, connect(api) as client:
        base = "http://localhost"
        target = f"{base}/api/orders/execute"
        client.send(POST.replace("/api/orders/execute", target) + JSON_LINE)
        client.send(f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
        status, placed = await client.read_response()
        assert (status, placed["status"]) == (202, "queued")
        for path, expected in (("/healthz?x=1", 200), ("/api/orders?limit=1", 200), ("/none", 404)):
            client.send(
                f"GET HTTP://localhost{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n"
            )
            assert (await client.read_response())[0] == expected
        client.send("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, problem = await client.read_response()
        assert (status, problem["code"]) == (403, "foreign_host")
        async with connect(api) as other:
            other.send(f"GET {base} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await other.read_head())[0] == 302


async def test_a_client_that_waits_for_100_gets_it_when_its_body_is_read(
    database_url: str, redis_url: str
) -> None:
    async with open_keyed_api(database_url, redis_url) as api, connect(api) as client:
        for count in (1, 2):
            client.send(f"{POST}{JSON_LINE}{EXPECT}Content-Length: {len(BODY)}\r\n\r\n")
            assert (await client.read_head())[0] == 100
            client.send(BODY)
            assert (await client.read_response())[0] == 202
            assert await count_orders(api) == count
        client.send(f"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{EXPECT}\r\n")
        assert await client.read_response() == (200, {"status": "ok"})


def build_post(path: str, *, method: str = "POST", content_type: str = "application/json") -> str:
    """The headers of a request for a path, with a key and the size of a body."""
    first = POST.replace("POST /api/orders/execute", f"{method} {path}")
    return f"{first}Content-Type: {content_type}\r\nContent-Length: 10\r\n"


_EXECUTE = build_post("/api/orders/execute")


DECIDED_BY_HEADERS = [
    (_EXECUTE.replace(KEY, "another"), 401),
    (_EXECUTE.replace(": 10", ": 9999999999"), 413),
    (f"{_EXECUTE}X-API-Key: {KEY}\r\n", 400),
    (_EXECUTE.replace("localhost", "evil.example"), 403),
    (build_post("/api/nowhere"), 404),
    (build_post("/nowhere"), 404),
    (build_post("/api/orders/nowhere/at/all", method="DELETE"), 404),
    (build_post("/api/orders"), 405),
    (build_post("/api/orders/execute", method="PUT"), 405),
    (build_post(f"/api/orders/{UUID(int=1)}", method="PUT"), 405),
    (build_post("/api/orders/stream", method="GET"), 426),
    (build_post("/api/orders/execute", content_type="text/plain"), 415),
    (build_post("/api/orders/batch", content_type="application/json;charset=utf-16"), 415),
    (f"{build_post('/api/quotes')}Content-Encoding: gzip\r\n", 415),
    (build_post("/api/orders/batch?dryRun=true"), 400),
    (build_post(f"/api/orders/{UUID(int=1)}?force=true", method="DELETE"), 400),
]


@pytest.mark.parametrize("expect", [EXPECT, ""], ids=["waits for 100", "sends at once"])
async def test_what_the_headers_decide_is_answered_before_the_body_is_there(
    database_url: str, redis_url: str, expect: str
) -> None:
    async with open_keyed_api(database_url, redis_url) as api:
        for lines, status in DECIDED_BY_HEADERS:
            async with connect(api) as client:
                client.send(f"{lines}{expect}\r\n")
                answered, headers = await client.read_head()
                assert (answered, headers["connection"]) == (status, "close"), lines


async def test_a_body_that_is_too_large_by_its_headers_is_not_asked_for(
    database_url: str, redis_url: str
) -> None:
    async with open_keyed_api(database_url, redis_url) as api, connect(api) as client:
        client.send(_EXECUTE.replace(": 10", ": 70000") + EXPECT + "\r\n")
        assert (await client.read_response())[0] == 413
        assert await client.is_closed()
