"""The API process: the application on Hypercorn, from the listening socket to graceful shutdown."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from functools import cache, partial
from typing import Any, Final

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio import serve as serve_asgi
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.protocol import ws_stream

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.connections import Connections, count_connections_max, count_sockets_max
from backend.api.admission.control import AdmissionControl, OpenOrderLimits
from backend.api.admission.rate_limiter import RateLimiter
from backend.api.admission.tickets import Tickets
from backend.api.application.app import create_app
from backend.api.application.request_ids import RequestIds
from backend.api.application.route_table import ROUTES, SOCKETS
from backend.api.application.site_guard import SiteGuard
from backend.api.context import ApiContext
from backend.api.delivery.commit_listener import CommitListener
from backend.api.delivery.feed_tail import FeedTail
from backend.api.delivery.open_sockets import OpenSockets
from backend.api.delivery.price_tail import PriceTail
from backend.api.documents.openapi import build_openapi
from backend.api.routes.accounting.prices import read_pair_pools
from backend.api.server.acceptor import accept_connections
from backend.api.server.access import Access, check_tokens, open_access
from backend.api.server.exposure import (
    build_host_rule,
    build_metrics_access,
    build_public_address,
    check_exposure,
    find_hidden_orders,
)
from backend.api.server.heartbeat import Heartbeat, HeartbeatConfig, ping_all_sockets
from backend.api.server.hypercorn_connection import Connection, use_http1_only
from backend.api.server.listener import format_url, open_listeners
from backend.api.server.shutdown import REQUEST_DRAIN_TIMEOUT_S, drain
from backend.api.server.webhooks import build_webhooks
from backend.api.stats_cache import StatsCache
from backend.api.wire.cursors import StreamCursors
from backend.api.wire.hosts import HostRule
from backend.api.wire.http import ORDER_BYTES_MAX
from backend.api.wire.json import encode
from backend.api.wire.public_address import PublicAddress
from backend.config import Settings
from backend.domain.errors import Transient
from backend.engine.api_services import ApiServices, open_api_services
from backend.runtime import observe, observe_connections
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import channel_name, listen_for_commits
from backend.runtime.redis.cluster import build_key_prefix
from backend.runtime.resources.descriptors import get_descriptor_limit
from backend.runtime.startup import StartInterrupted

KEEP_ALIVE_IDLE_S: Final = 20
UNACKED_TIMEOUT_MS: Final = 30_000
"""How long a peer may leave sent data unacknowledged before the kernel drops the connection."""


async def serve_api(
    settings: Settings,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
    force_stop: asyncio.Event | None = None,
    listeners: Sequence[socket.socket] = (),
) -> None:
    """Serve requests until ``stop``, then shut down gracefully.

    It goes on taking orders for ``settings.drain_s``, or until ``force_stop``. ``on_ready`` is
    called with the address once it accepts connections. ``listeners`` are sockets that listen
    already; they are closed in the end. Raises ``Rejected`` if the address is in use,
    ``ConfigurationError``, and what ``open_api_services`` raises.
    """
    public_address = build_public_address(settings)
    check_tokens(settings)
    with ExitStack() as opened, suppress(StartInterrupted):
        listeners = listeners or open_listeners(settings.host, settings.port)
        for listener in listeners:
            opened.enter_context(listener)
        open_note = check_exposure(settings, listeners)
        host_rule = build_host_rule(settings, listeners, public_address.url)
        async with open_api_services(settings, stop=stop) as services:
            access = await open_access(settings, services, public_address, stop)
            if open_note and access.authenticator.is_open:
                observe_connections.access_open(open_note)
            with suppress(Transient):  # logged by the pool
                if note := await find_hidden_orders(access.authenticator, services.orders):
                    observe_connections.orders_hidden(note)
            connections = Connections(count_connections_max(get_descriptor_limit()))
            api = _build_context(
                services, access.authenticator, public_address, connections.connections_max
            )
            wait_drained = partial(drain, api, stop, force_stop or asyncio.Event())
            await _run_server(
                api,
                access,
                listeners,
                connections,
                host_rule,
                on_ready=on_ready,
                wait_drained=wait_drained,
            )


def _build_context(
    services: ApiServices,
    authenticator: Authenticator,
    public_address: PublicAddress,
    connections_max: int,
) -> ApiContext:
    settings = services.settings
    key_prefix = build_key_prefix(services.redis, services.journal_id)
    stream_cursors = StreamCursors(services.cursor_key, services.journal_id)
    feed_tail = _build_feed_tail(services, stream_cursors)
    return ApiContext(
        services=services,
        authenticator=authenticator,
        tickets=Tickets(services.redis, f"{key_prefix}ticket:", now=services.now),
        metrics_access=build_metrics_access(settings, public_address, authenticator),
        admission=AdmissionControl(
            services.open_orders,
            RateLimiter(services.redis, settings.rate_limit, f"{key_prefix}rate:"),
            limits=OpenOrderLimits(settings.open_orders_max, settings.find_owner_open_orders_max()),
        ),
        feed_tail=feed_tail,
        price_tail=PriceTail(
            services.accounts.prices.read_recent, partial(read_pair_pools, services)
        ),
        open_sockets=OpenSockets(count_sockets_max(settings.sockets_max, connections_max)),
        stats_cache=StatsCache(
            services.counts,
            stream_cursors.format,
            services.now,
            services.trading.rules.list_stopped,
            services.cluster.name,
        ),
        stream_cursors=stream_cursors,
        public_address=public_address,
        webhooks=build_webhooks(services, feed_tail),
        describe_api=partial(_describe_api, settings.batch_orders_max),
    )


def _build_feed_tail(services: ApiServices, cursors: StreamCursors) -> FeedTail:
    lag = services.feed_lag
    return FeedTail(services.feed, cursors.format, is_feed_delayed=lambda: lag.is_delayed)


@cache
def _describe_api(batch_max: int) -> str:
    """The OpenAPI document, built when it is first asked for: a start takes long enough."""
    return encode(build_openapi(ROUTES, SOCKETS, batch_max))


async def _run_server(
    api: ApiContext,
    access: Access,
    listeners: Sequence[socket.socket],
    connections: Connections,
    host_rule: HostRule,
    *,
    on_ready: Callable[[str], None],
    wait_drained: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    address = format_url(listeners[0])
    app = create_app(api)
    heartbeat = Heartbeat(api.services.settings.ping_s)
    config = _build_config(api.services.settings, heartbeat)
    for listener in listeners:
        _set_socket_options(listener)

    @app.before_serving
    async def report_ready() -> None:
        observe.process_started("api", address=address)
        on_ready(address)

    guard = RequestIds(SiteGuard(app, app, api.public_address, host_rule))

    async def accept_until_drained() -> None:
        async with _accept_connections(guard, config, listeners, connections):
            await wait_drained()

    async with _run_background_tasks(api, access, heartbeat):
        # Hypercorn starts and stops the application; its connections are accepted here.
        await serve_asgi(guard, config, shutdown_trigger=accept_until_drained)
    await api.webhooks.dispatcher.release()


def _run_background_tasks(
    api: ApiContext, access: Access, heartbeat: Heartbeat
) -> AbstractAsyncContextManager[None]:
    services = api.services
    channel = channel_name(services.journal_id)
    listener = CommitListener(api.feed_tail, partial(listen_for_commits, services.redis, channel))

    def close_ended_sockets() -> None:
        api.open_sockets.close_ended(access.authenticator.renew, access.authenticator.revision)

    return run_in_background(
        partial(access.table.run, close_ended_sockets),
        *access.runs,
        api.admission.run,
        api.feed_tail.run,
        api.price_tail.run,
        api.webhooks.dispatcher.run,
        services.feed_lag.run,
        listener.run,
        heartbeat.run,
    )


def _accept_connections(
    guard: RequestIds,
    config: HeartbeatConfig,
    listeners: Sequence[socket.socket],
    connections: Connections,
) -> AbstractAsyncContextManager[None]:
    context, loop = WorkerContext(max_requests=None), asyncio.get_running_loop()
    wrapped_app = ASGIWrapper(guard)

    def make_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection:
        return Connection(wrapped_app, loop, config, context, reader, writer, connections)

    return accept_connections(
        listeners,
        connections,
        make_connection,
        stop=context.terminated.set,
        drain_timeout_s=REQUEST_DRAIN_TIMEOUT_S,
    )


def _build_config(settings: Settings, heartbeat: Heartbeat) -> HeartbeatConfig:
    _disable_compression()
    ping_all_sockets()
    use_http1_only()
    config = HeartbeatConfig()
    config.heartbeat = heartbeat
    config.bind = []
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    for name in ("hypercorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_is_worth_logging)
    config.include_server_header = False
    config.keep_alive_timeout = settings.keep_alive_s
    config.keep_alive_max_requests = 1_000_000_000
    config.graceful_timeout = REQUEST_DRAIN_TIMEOUT_S
    config.websocket_max_message_size = min(settings.body_bytes_max, ORDER_BYTES_MAX)
    return config


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a log record of the server is about more than a dead connection that timed out."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and error.errno == errno.ETIMEDOUT)


def _set_socket_options(listener: socket.socket) -> None:
    """Options that the connections inherit: no Nagle delay, and detection of dead connections.

    TCP finds a machine that is gone also while no WebSocket is open, and closes what a peer that
    answers no ping has left unread.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_S)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_TIMEOUT_MS)


def _disable_compression() -> None:
    """Refuse permessage-deflate: Hypercorn accepts every offer, and compressing costs too much."""
    ws_stream.server_extensions_handshake = lambda *_: None  # type: ignore[attr-defined]
