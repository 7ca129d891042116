"""The server of the node: one port for JSON-RPC, WebSockets and ``/control``.

Real nodes serve WebSockets at the port after that of JSON-RPC, and tools derive their address so.
Therefore the node listens there as well if its port was chosen, and that one is free. Further nodes
over the same chain have ports of their own.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from backend.simulator.control import ControlHandler
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.node import SimulatorNode
from backend.simulator.node_view import BundleView, NodeView
from backend.simulator.options import NODE_PORT_STEP, SimulatorOptions
from backend.simulator.rpc_gateway import BODY_BYTES_MAX, RpcGateway

BUNDLES_PATH: Final = "/api/v1/bundles"
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
    urls: list[str] = []
    try:
        async with AsyncExitStack() as stack:
            for number in range(options.nodes):
                faults = FaultRegistry(options.seed, read_wall_clock) if number else node.faults
                runner = await _open_runner(stack, node, NodeView(node, faults), urls)
                own = listeners if not number else ()
                for listener in own:
                    await web.SockSite(runner, listener, backlog=_ACCEPT_BACKLOG).start()
                if not own:
                    own_port = port and port + number * NODE_PORT_STEP
                    await web.TCPSite(runner, host, own_port, backlog=_ACCEPT_BACKLOG).start()
                urls.append(_format_url(*runner.addresses[0][:2]))
                if port:
                    await _listen_at_next_port(runner)
            ready(urlsplit(urls[0]).port or 0)
            await _run_tasks(node, stop)
            node.sockets.close()
    finally:
        node.chain.close()


def _format_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _open_runner(
    stack: AsyncExitStack, node: SimulatorNode, view: NodeView, urls: Sequence[str]
) -> web.ServerRunner:
    server = _build_server(node, view, urls)
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


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


def _build_server(node: SimulatorNode, view: NodeView, urls: Sequence[str]) -> web.Server:
    gateway = RpcGateway(view, read_s=node.options.timing.read_s)
    bundles = RpcGateway(BundleView(node), read_s=0)
    control = ControlHandler(node, view.faults, urls)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/control/"):
            return await control.handle(request)
        if request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await node.sockets.handle(request)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        return await (bundles if request.path == BUNDLES_PATH else gateway).handle(request)

    request_factory = partial(
        web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=BODY_BYTES_MAX
    )
    return web.Server(
        handle, request_factory=request_factory, access_log=None, handler_cancellation=True
    )
