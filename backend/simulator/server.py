"""The network side of the node: one port for JSON-RPC and for ``/control``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from backend.simulator.control import Control
from backend.simulator.node import Node
from backend.simulator.options import SimulatedOptions
from backend.simulator.rpc_gateway import BODY_BYTES_MAX, Gateway

_SHUTDOWN_S: Final = 1.0
_BACKLOG: Final = 1_024


def wall_clock() -> float:
    """Seconds since 1970 that never go back while the process runs."""
    return _STARTED_AT + time.monotonic()


_STARTED_AT: Final = time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()


async def serve(
    options: SimulatedOptions,
    *,
    host: str = "127.0.0.1",
    port: int,
    data_dir: Path,
    ready: Callable[[int], None],
    stop: asyncio.Event,
) -> None:
    """Run the node until ``stop``; ``ready`` is told the port once it can be asked.

    Its state is in ``data_dir``, which only one node may have open.
    """
    node = Node(options, data_dir, wall_clock)
    try:
        runner = web.ServerRunner(_server(node), shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
            await site.start()
            ready(runner.addresses[0][1])
            await _make_blocks(node, stop)
        finally:
            await runner.cleanup()
    finally:
        node.chain.close()


async def _make_blocks(node: Node, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        blocks = tasks.create_task(node.blocks.run())
        await stop.wait()
        blocks.cancel()


def _server(node: Node) -> web.Server:
    gateway, control = Gateway(node), Control(node)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/control/"):
            return await control.answer(request)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        return await gateway.answer(request)

    request = partial(
        web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=BODY_BYTES_MAX
    )
    return web.Server(answer, request_factory=request, access_log=None, handler_cancellation=True)
