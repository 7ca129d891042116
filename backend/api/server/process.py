"""The API process: the application on Hypercorn, from the listening socket to graceful shutdown."""

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

from backend.api.admission.api_keys import ApiKeys
from backend.api.admission.control import AdmissionControl
from backend.api.admission.rate_limiter import RateLimiter
from backend.api.context import ApiContext
from backend.api.delivery.feed_tail import FeedTail
from backend.api.delivery.open_sockets import OpenSockets
from backend.api.documents.openapi import build_openapi
from backend.api.server.app import create_app
from backend.api.server.ingress import Ingress
from backend.api.server.route_table import ROUTES, SOCKETS
from backend.api.stats_cache import StatsCache
from backend.api.wire.cursors import format_stream_cursor
from backend.api.wire.json import encode
from backend.config import Settings
from backend.domain.errors import Rejected
from backend.engine import ApiServices, open_api_services
from backend.runtime import observe
from backend.runtime.background import run_in_background
from backend.runtime.notifier import channel_name, listen_for_commits

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 60.0
SOCKET_DRAIN_TIMEOUT_S: Final = 3.0
"""Graceful shutdown: how long the open sockets may take to close, all together."""
REQUEST_DRAIN_TIMEOUT_S: Final = 2.0
"""Graceful shutdown: how long running requests may take after that."""
KEEP_ALIVE_IDLE_S: Final = 20
UNACKED_TIMEOUT_MS: Final = 30_000
"""How long a peer may leave sent data unacknowledged before the kernel drops the connection."""


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket that child processes can inherit; port 0 picks a free port.

    Raises ``Rejected`` (``address_in_use``).
    """
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}"
        raise Rejected("address_in_use", reason) from None
    listener.set_inheritable(True)
    return listener


async def serve_api(
    settings: Settings,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
    listener: socket.socket | None = None,
) -> None:
    """Serve requests until ``stop``, then shut down gracefully.

    ``on_ready`` is called with the address once it accepts connections. ``listener`` is a socket
    that listens already; it is closed in the end. Raises ``Rejected`` if the address is in use,
    and what ``open_api_services`` raises.
    """
    with listener or open_listener(settings.host, settings.port) as opened:
        async with open_api_services(settings) as services:
            await _run_server(_build_context(services), opened, on_ready=on_ready, stop=stop)


def _build_context(services: ApiServices) -> ApiContext:
    settings = services.settings
    rate_key_prefix = f"order-engine:{services.journal_id}:rate:"
    return ApiContext(
        services=services,
        api_keys=ApiKeys(settings.api_keys),
        admission=AdmissionControl(
            services.orders,
            RateLimiter(services.redis, settings.rate_limit, rate_key_prefix),
            open_orders_max=settings.open_orders_max,
        ),
        feed_tail=FeedTail(
            services.feed,
            lambda position: format_stream_cursor(services.journal_id, position),
            is_feed_delayed=lambda: services.feed_lag.is_delayed,
        ),
        open_sockets=OpenSockets(settings.sockets_max),
        stats_cache=StatsCache(services.counts, services.journal_id, services.now),
        openapi=encode(build_openapi(ROUTES, SOCKETS, settings.batch_orders_max)),
    )


async def _run_server(
    api: ApiContext,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    services = api.services
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    app = create_app(api)

    @app.before_serving
    async def report_ready() -> None:
        observe.process_started("api", address=address)
        on_ready(address)

    async def drain_on_stop() -> None:
        await stop.wait()
        api.admission.is_draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(SOCKET_DRAIN_TIMEOUT_S):
                await api.open_sockets.drain()

    def listen_for_notifications() -> Coroutine[Any, Any, None]:
        return listen_for_commits(
            services.redis, channel_name(services.journal_id), api.feed_tail.notify_committed
        )

    async with run_in_background(
        api.admission.run, api.feed_tail.run, services.feed_lag.run, listen_for_notifications
    ):
        await serve_asgi(
            Ingress(app, api), _build_config(api, listener), shutdown_trigger=drain_on_stop
        )


def _build_config(api: ApiContext, listener: socket.socket) -> Config:
    _set_socket_options(listener)
    _disable_compression()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = BACKLOG
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    for name in ("hypercorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_is_worth_logging)
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = 1_000_000_000
    config.graceful_timeout = REQUEST_DRAIN_TIMEOUT_S
    config.websocket_max_message_size = api.services.settings.body_bytes_max
    return config


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a log record of the server is about more than a dead connection that timed out."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and error.errno == errno.ETIMEDOUT)


def _set_socket_options(listener: socket.socket) -> None:
    """Options that the connections inherit: no Nagle delay, and detection of dead connections.

    TCP keep-alive instead of Hypercorn's WebSocket pings: those would keep the task of every
    closed WebSocket alive until the next ping.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_S)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_TIMEOUT_MS)


def _disable_compression() -> None:
    """Refuse permessage-deflate: Hypercorn accepts every offer, and compressing costs too much."""
    ws_stream.server_extensions_handshake = lambda *_: None  # type: ignore[attr-defined]
