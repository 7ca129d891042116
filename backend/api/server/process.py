"""The API process: the application on Hypercorn, from an open socket to the last goodbye."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from hypercorn.asyncio import serve as serve_asgi
from hypercorn.config import Config
from hypercorn.protocol import ws_stream

from backend.api.admission.api_keys import Keys
from backend.api.admission.control import Gate, Rate
from backend.api.context import Api
from backend.api.delivery.feed_tail import Tail
from backend.api.delivery.send_buffer import Sockets
from backend.api.documents.openapi import document
from backend.api.server.app import create_app
from backend.api.server.ingress import Entrance
from backend.api.server.route_table import ROUTES, SOCKETS
from backend.api.stats import Stats
from backend.api.wire.cursors import stream_cursor
from backend.api.wire.json import encode
from backend.config import Settings
from backend.domain.errors import Rejected
from backend.engine import Front, open_front
from backend.runtime import observe
from backend.runtime.background import running
from backend.runtime.notifier import channel, listen

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 60.0
GOODBYE_S: Final = 3.0
"""How long all sockets together may take to say goodbye."""
GRACE_S: Final = 2.0
"""How long requests may then take to end."""
KEEP_ALIVE_PROBE_S: Final = 20
STUCK_MS: Final = 30_000
"""How long a connection may take nothing of what it was sent before the system drops it."""


def listen_on(host: str, port: int) -> socket.socket:
    """A listening socket that child processes can take over; port 0 is any free one.

    Raises ``Rejected`` (``address_in_use``) with a sentence.
    """
    try:
        opened = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}"
        raise Rejected("address_in_use", reason) from None
    opened.set_inheritable(True)
    return opened


async def serve(
    settings: Settings,
    *,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    listening: socket.socket | None = None,
) -> None:
    """Serve until ``stop``, then say goodbye to everybody.

    ``ready`` is told the address once it can be used. ``listening`` is a socket that is open
    already; it is closed in the end. Raises ``Rejected`` if the address is taken, and what
    ``open_front`` raises.
    """
    with listening or listen_on(settings.host, settings.port) as opened:
        async with open_front(settings) as front:
            await _serve(_api(front), opened, ready=ready, stop=stop)


def _api(front: Front) -> Api:
    settings = front.settings
    prefix = f"order-engine:{front.journal_id}:rate:"
    return Api(
        front=front,
        keys=Keys(settings.api_keys),
        gate=Gate(
            front.orders,
            Rate(front.redis, settings.rate_limit, prefix),
            open_orders_max=settings.open_orders_max,
        ),
        tail=Tail(front.feed, lambda position: stream_cursor(front.journal_id, position)),
        sockets=Sockets(settings.sockets_max),
        stats=Stats(front.counts, front.journal_id, front.now),
        document=encode(document(ROUTES, SOCKETS, settings.batch_orders_max)),
    )


async def _serve(
    api: Api, opened: socket.socket, *, ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    front = api.front
    host, port = opened.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    app = create_app(api)

    @app.before_serving
    async def started() -> None:
        observe.started("api", address=address)
        ready(address)

    async def drained() -> None:
        await stop.wait()
        api.gate.is_draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await api.sockets.drain()

    def hear() -> Coroutine[Any, Any, None]:
        return listen(front.redis, channel(front.journal_id), api.tail.heard)

    async with running(api.gate.run, api.tail.run, hear):
        await serve_asgi(Entrance(app, api), _config(api, opened), shutdown_trigger=drained)


def _config(api: Api, opened: socket.socket) -> Config:
    _tune(opened)
    _refuse_compression()
    config = Config()
    config.bind = [f"fd://{opened.detach()}"]
    config.backlog = BACKLOG
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    for name in ("hypercorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_is_news)
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = 1_000_000_000
    config.graceful_timeout = GRACE_S
    config.websocket_max_message_size = api.front.settings.body_bytes_max
    return config


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the server tells of more than a peer that took nothing for too long."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and error.errno == errno.ETIMEDOUT)


def _tune(opened: socket.socket) -> None:
    """What the connections inherit: small frames at once, and an end for peers that are gone.

    The server's own pings would keep every closed WebSocket's task alive until the next one.
    """
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_PROBE_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)


def _refuse_compression() -> None:
    """Hypercorn takes every offer of permessage-deflate, which costs more than the frame."""
    ws_stream.server_extensions_handshake = lambda *_: None  # type: ignore[attr-defined]
