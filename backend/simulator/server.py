"""The server of the node: one port for JSON-RPC, WebSockets and ``/control``.

Real nodes serve WebSockets at the port after that of JSON-RPC, and tools derive their address so.
Therefore the node listens there as well if its port was chosen, and that one is free.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from backend.simulator.control import ControlHandler
from backend.simulator.node import SimulatorNode
from backend.simulator.options import SimulatorOptions
from backend.simulator.rpc_gateway import BODY_BYTES_MAX, RpcGateway

_SHUTDOWN_S: Final = 1.0
_ACCEPT_BACKLOG: Final = 1_024


def read_wall_clock() -> float:
    """Seconds since 1970 that never go back while the process runs."""
    return _STARTED_AT + time.monotonic()


_STARTED_AT: Final = time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()


async def serve(
    options: SimulatorOptions,
    *,
    host: str = "127.0.0.1",
    port: int,
    data_dir: Path,
    ready: Callable[[int], None],
    stop: asyncio.Event,
    listeners: Sequence[socket.socket] = (),
) -> None:
    """Run the node until ``stop``; ``ready`` is called with the port once it accepts requests.

    ``listeners`` are sockets to serve on instead of ``host`` and ``port``.

    Its state is in ``data_dir``, which only one node can have open.
    """
    node = SimulatorNode(options, data_dir, read_wall_clock)
    try:
        runner = web.ServerRunner(_build_server(node), shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            for listener in listeners:
                await web.SockSite(runner, listener, backlog=_ACCEPT_BACKLOG).start()
            if not listeners:
                await web.TCPSite(runner, host, port, backlog=_ACCEPT_BACKLOG).start()
            ready(runner.addresses[0][1])
            if port:
                await _listen_at_next_port(runner)
            await _run_tasks(node, stop)
            node.sockets.close()
        finally:
            await runner.cleanup()
    finally:
        node.chain.close()


async def _listen_at_next_port(runner: web.ServerRunner) -> None:
    for address in list(runner.addresses):
        with suppress(OSError, OverflowError):  # it is in use, or there is none
            site = web.TCPSite(runner, address[0], address[1] + 1, backlog=_ACCEPT_BACKLOG)
            await site.start()


async def _run_tasks(node: SimulatorNode, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(node.block_producer.run()),
            tasks.create_task(node.publisher.run()),
        ]
        await stop.wait()
        for task in running:
            task.cancel()


def _build_server(node: SimulatorNode) -> web.Server:
    gateway, control = RpcGateway(node), ControlHandler(node)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/control/"):
            return await control.handle(request)
        if request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await node.sockets.handle(request)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        return await gateway.handle(request)

    request_factory = partial(
        web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=BODY_BYTES_MAX
    )
    return web.Server(
        handle, request_factory=request_factory, access_log=None, handler_cancellation=True
    )
