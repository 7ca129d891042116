"""A real proxy before a node: it can stop, refuse methods, and change what the node answers.

It listens on a port of its own, which stays the same while it is stopped: connections are refused
meanwhile, as those of a node that restarts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from aiohttp import web

Json = dict[str, Any]
AnswerRule = Callable[[Json, Json], Json | None]
"""Gets a call and its answer; returns what replaces its ``result`` or ``error``, or ``None``."""
CallHook = Callable[[Sequence[Json]], Awaitable[None]]
Interception = Callable[[web.BaseRequest, Sequence[Json]], Awaitable[web.StreamResponse | None]]
"""Gets a request and its calls; returns the answer in place of the node's, or ``None``."""

NO_HISTORY = {
    "error": {"code": -32011, "message": "Transaction history is not available from this node"}
}


def hide_accounts(hidden: Collection[str], call: Json, answer: Json) -> Json | None:
    """A rule: the accounts at some addresses are not there."""
    if call["method"] != "getMultipleAccounts":
        return None
    result = answer["result"]
    shown = zip(call["params"][0], result["value"], strict=True)
    return {"result": {**result, "value": [None if k in hidden else v for k, v in shown]}}


async def _ignore_calls(calls: Sequence[Json]) -> None:
    """Do nothing."""


async def _pass_on(request: web.BaseRequest, calls: Sequence[Json]) -> None:
    """Leave the answer to the node."""


class NodeProxy:
    """Forwards JSON-RPC calls, single or in arrays, to the node at ``upstream``."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.calls: Counter[str] = Counter()
        self.rule: AnswerRule = lambda call, answer: None
        self.on_calls: CallHook = _ignore_calls
        """Awaited with the calls of each request before it is forwarded."""
        self.intercept: Interception = _pass_on
        self.status: int | None = None
        """The HTTP status of every answer, instead of forwarding."""
        self.headers: dict[str, str] = {}
        self._upstream = upstream
        self._session = session
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections, and cut the open ones."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        calls = body if isinstance(body, list) else [body]
        self.calls.update(call["method"] for call in calls)
        await self.on_calls(calls)
        if (intercepted := await self.intercept(request, calls)) is not None:
            return intercepted
        if self.status is not None:
            return web.Response(status=self.status, headers=self.headers)
        async with self._session.post(self._upstream, data=orjson.dumps(calls)) as response:
            if response.status != 200:
                return web.Response(status=response.status)
            answers = orjson.loads(await response.read())
        for call, answer in zip(calls, answers, strict=True):
            if (replacement := self.rule(call, answer)) is not None:
                answer.pop("result", None)
                answer.pop("error", None)
                answer.update(replacement)
        content = answers if isinstance(body, list) else answers[0]
        return web.Response(body=orjson.dumps(content), content_type="application/json")


@asynccontextmanager
async def run_node_proxy(upstream: str) -> AsyncIterator[NodeProxy]:
    async with aiohttp.ClientSession() as session:
        proxy = NodeProxy(upstream, session)
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()
