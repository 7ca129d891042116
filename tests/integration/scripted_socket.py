"""A node's WebSocket that confirms every subscription, and tells what a test has it tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import WSMsgType, web

FIRST_SLOT = 100


class ScriptedSocket:
    """The server of one node. ``refused`` are methods that it does not know."""

    def __init__(self, refused: frozenset[str] = frozenset()) -> None:
        self.url = ""
        self.requests: list[str] = []
        """The methods of all requests, of all connections."""
        self.connections = 0
        self._refused = refused
        self._sockets: list[web.WebSocketResponse] = []
        self._numbers: dict[str, int] = {}
        self._changed = asyncio.Event()

    async def wait_requested(self, method: str, times: int = 1) -> None:
        """Wait until a method was requested so many times."""
        while self.requests.count(method) < times:
            self._changed.clear()
            await self._changed.wait()

    async def tell(self, kind: str, result: Any) -> None:
        """Notify the subscription of a kind."""
        params = {"result": result, "subscription": self._numbers[kind]}
        message = {"jsonrpc": "2.0", "method": f"{kind}Notification", "params": params}
        await self.tell_text(orjson.dumps(message).decode())

    async def tell_text(self, text: str) -> None:
        """Send a frame over the newest connection."""
        await self._sockets[-1].send_str(text)

    async def close(self, code: int) -> None:
        """Close the newest connection."""
        await self._sockets[-1].close(code=code)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.connections += 1
        self._sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            call = orjson.loads(message.data)
            await self._answer(socket, call)
            self.requests.append(call["method"])
            self._changed.set()
        return socket

    async def _answer(self, socket: web.WebSocketResponse, call: Any) -> None:
        method, answer = call["method"], {"jsonrpc": "2.0", "id": call["id"]}
        if method in self._refused:
            error = {"code": -32601, "message": "Method not found"}
            await socket.send_str(orjson.dumps({**answer, "error": error}).decode())
            return
        await socket.send_str(orjson.dumps({**answer, "result": call["id"]}).decode())
        if method.endswith("Subscribe"):
            self._numbers[method.removesuffix("Subscribe")] = call["id"]
        if method == "slotSubscribe":
            slot = {"slot": FIRST_SLOT, "parent": FIRST_SLOT - 1, "root": 1}
            await self.tell("slot", slot)


@asynccontextmanager
async def open_scripted_socket(
    refused: frozenset[str] = frozenset(),
) -> AsyncIterator[ScriptedSocket]:
    node = ScriptedSocket(refused)
    runner = web.ServerRunner(web.Server(node.handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        node.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        yield node
    finally:
        await runner.cleanup()
