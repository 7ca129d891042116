"""A proxy before a real simulated node: refuses JSON-RPC arrays, or limits the rate of calls."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.integration.handler_node import cut_connection

Json = Any
Forward = Callable[[bytes], Awaitable[bytes]]
Refusal = Callable[[web.BaseRequest, list[Json], bytes, Forward], Awaitable[web.StreamResponse]]
"""Answers an array in place of the node; ``Forward`` gets the node's own response to a body."""


@dataclass(slots=True)
class ArrayPolicy:
    """Which arrays a proxy refuses, and how: those of ``methods`` with more than ``size_max``."""

    refuse: Refusal
    size_max: int = 1
    methods: frozenset[str] | None = None

    def is_refused(self, calls: list[Json]) -> bool:
        named = self.methods is None or any(call["method"] in self.methods for call in calls)
        return named and len(calls) > self.size_max


@dataclass(slots=True)
class RatePolicy:
    """So many calls in a sliding window, in all and of one method; 429 above."""

    calls_max: int
    method_calls_max: int
    window_s: float
    headers: dict[str, str] = field(default_factory=dict)
    calls: deque[tuple[float, str]] = field(default_factory=deque)

    def takes(self, methods: list[str], now: float) -> bool:
        while self.calls and now - self.calls[0][0] >= self.window_s:
            self.calls.popleft()
        counted = [*(name for _, name in self.calls), *methods]
        if len(counted) > self.calls_max:
            return False
        if any(counted.count(name) > self.method_calls_max for name in methods):
            return False
        self.calls.extend((now, name) for name in methods)
        return True


@dataclass(slots=True)
class LimitingProxy:
    """A running proxy: its URL, and the sizes of the requests that it met, 1 for a bare call."""

    url: str = ""
    arrays: ArrayPolicy | None = None
    rate: RatePolicy | None = None
    sizes: list[tuple[str, int]] = field(default_factory=list)
    limited: list[str] = field(default_factory=list)

    def count_arrays(self, method: str) -> int:
        return sum(size > 1 for name, size in self.sizes if name == method)


@asynccontextmanager
async def run_limiting_proxy(
    node_url: str, *, arrays: ArrayPolicy | None = None, rate: RatePolicy | None = None
) -> AsyncIterator[LimitingProxy]:
    """Run a proxy before the node at ``node_url``."""
    proxy = LimitingProxy(arrays=arrays, rate=rate)
    async with aiohttp.ClientSession() as session:

        async def forward(body: bytes) -> bytes:
            headers = {"Content-Type": "application/json"}
            async with session.post(node_url, data=body, headers=headers) as response:
                return await response.read()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await _answer(proxy, request, forward)

        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()


async def _answer(
    proxy: LimitingProxy, request: web.BaseRequest, forward: Forward
) -> web.StreamResponse:
    content = await request.read()
    body = json.loads(content)
    calls = body if isinstance(body, list) else [body]
    methods = [call["method"] for call in calls]
    proxy.sizes.append((methods[0], len(calls)))
    now = asyncio.get_running_loop().time()
    if proxy.rate is not None and not proxy.rate.takes(methods, now):
        proxy.limited.append(methods[0])
        return web.Response(status=429, headers=proxy.rate.headers)
    if isinstance(body, list) and proxy.arrays is not None and proxy.arrays.is_refused(body):
        return await proxy.arrays.refuse(request, body, content, forward)
    return _json(await forward(content))


def _json(content: bytes) -> web.Response:
    return web.Response(body=content, content_type="application/json")


def by_status(status: int, **headers: str) -> Refusal:
    """Refuse with an HTTP status."""

    async def refuse(*_: object) -> web.StreamResponse:
        return web.Response(status=status, text="no", headers=headers)

    return refuse


def by_error(code: int, message: str, *, call_id: int | None = None) -> Refusal:
    """Refuse with one JSON-RPC error object."""

    async def refuse(*_: object) -> web.StreamResponse:
        return web.json_response(
            {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}}
        )

    return refuse


def by_body(text: str, content_type: str = "application/json") -> Refusal:
    """Refuse with a body of status 200 that is no answer."""

    async def refuse(*_: object) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type)

    return refuse


def by_error_in_each(code: int, message: str) -> Refusal:
    """Refuse with an array that has the same error for each call."""

    async def refuse(_: web.BaseRequest, calls: list[Json], *__: object) -> web.StreamResponse:
        error = {"code": code, "message": message}
        return web.json_response([{"id": call["id"], "error": error} for call in calls])

    return refuse


async def by_closing(request: web.BaseRequest, *_: object) -> web.StreamResponse:
    """Close the connection without a response."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def by_cutting(
    request: web.BaseRequest, _: list[Json], content: bytes, forward: Forward
) -> web.StreamResponse:
    """Let the node execute the array, and cut its response in the middle."""
    answer = await forward(content)
    return _json(answer[: len(answer) // 2])


async def by_cutting_the_connection(
    request: web.BaseRequest, _: list[Json], content: bytes, forward: Forward
) -> web.StreamResponse:
    """Let the node execute the array, and close the connection in the middle of its response."""
    return await cut_connection(request, await forward(content))


def by_changing(change: Callable[[list[Json]], list[Json]]) -> Refusal:
    """Let the node execute the array, and change the elements of its response."""

    async def refuse(
        _: web.BaseRequest, __: list[Json], content: bytes, forward: Forward
    ) -> web.StreamResponse:
        return web.json_response(change(json.loads(await forward(content))))

    return refuse
