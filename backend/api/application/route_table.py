"""The route table: every path that is served, who may call it, and its documentation.

The application and the OpenAPI document are built from this table, and a test proves that nothing
else is served.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backend.api.route import Access, RateCost, Route, RouteDoc, SocketRoute
from backend.api.routes import (
    operations,
    place_batch,
    place_orders,
    quotes,
    read_orders,
    readiness,
    static_files,
    tickets,
)
from backend.api.sockets import order_socket, stream_socket

_DATABASE_UNAVAILABLE: Final = (503,)
"""The problem status of every route that needs PostgreSQL, while it is unavailable."""

EXECUTE: Final = Route(
    "POST",
    order_socket.EXECUTE_PATH,
    place_orders.place_order,
    RouteDoc(
        "Place an order",
        "orders",
        response="Queued",
        body="OrderBody",
        status=202,
        problem_statuses=_DATABASE_UNAVAILABLE,
        parameters=("Idempotency-Key",),
        headers=("Location", "Idempotent-Replayed"),
        description="Answered when the order is stored. Follow it on the WebSocket that `ws_url`"
        " names.",
    ),
    rate_cost=RateCost.ORDERS,
)
BATCH: Final = Route(
    "POST",
    "/api/orders/batch",
    place_batch.place_batch,
    RouteDoc(
        "Place many orders",
        "orders",
        response="Batch",
        body="BatchBody",
        status=202,
        problem_statuses=_DATABASE_UNAVAILABLE,
        parameters=("Idempotency-Key",),
        headers=("Idempotent-Replayed",),
        description="The valid orders are stored together, all or none; each place of the answer is"
        " that of its order. With no valid order the answer is 422 with the same `orders`.",
    ),
    rate_cost=RateCost.ORDERS,
)
LIST: Final = Route(
    "GET",
    "/api/orders",
    read_orders.list_orders,
    RouteDoc(
        "List orders, by default the newest first",
        "orders",
        response="OrderList",
        problem_statuses=(400, *_DATABASE_UNAVAILABLE),
        parameters=(
            *("status", "batchId", "clientOrderId", "dex", "tokenIn", "tokenOut", "type"),
            *("from", "to", "updatedSince", "order", "limit", "cursor"),
        ),
        headers=("Link",),
        description="A list is by the time of creation, and with `updatedSince` by the time of the"
        " last change. Those are times of the database's clock: what must miss nothing follows"
        " the stream.",
    ),
)
ORDER: Final = Route(
    "GET",
    "/api/orders/<orderId>",
    read_orders.get_order,
    RouteDoc("Show an order", "orders", response="Order", problem_statuses=_DATABASE_UNAVAILABLE),
)
ORDER_BY_CLIENT_ID: Final = Route(
    "GET",
    "/api/orders/by-client-id/<path:clientOrderId>",
    read_orders.get_order_by_client_id,
    RouteDoc(
        "Show the order with a `clientOrderId`",
        "orders",
        response="Order",
        problem_statuses=_DATABASE_UNAVAILABLE,
    ),
)
EVENTS: Final = Route(
    "GET",
    "/api/orders/<orderId>/events",
    read_orders.get_order_events,
    RouteDoc(
        "Show what has happened to an order",
        "orders",
        response="OrderEvents",
        problem_statuses=(400, *_DATABASE_UNAVAILABLE),
        parameters=("after (seq)",),
    ),
)
STATS: Final = Route(
    "GET",
    "/api/stats",
    read_orders.get_stats,
    RouteDoc(
        "Count your orders by status",
        "orders",
        response="Stats",
        problem_statuses=_DATABASE_UNAVAILABLE,
        description="True at `cursor`, which the stream takes as `after`.",
    ),
)
QUOTES: Final = Route(
    "POST",
    "/api/quotes",
    quotes.get_quotes,
    RouteDoc(
        "Quote a swap on every venue, without placing an order",
        "market",
        response="Quotes",
        body="SwapBody",
        problem_statuses=(503,),
        description="By the rules of an order. Where an order would be refused, the problem says"
        " why, and its `quotes` are what the venues offer.",
    ),
)

TICKETS: Final = Route(
    "POST",
    "/api/tickets",
    tickets.issue_ticket,
    RouteDoc(
        "Get a ticket for a WebSocket",
        "sockets",
        response="Ticket",
        status=201,
        problem_statuses=(503,),
        description="For clients that cannot give a WebSocket headers, as browsers cannot. It opens"
        " one socket in place of the key, as `?ticket=<ticket>`, within `expiresInS`.",
    ),
)

_HEALTH: Final = RouteDoc(
    "Tell whether this process answers",
    "operations",
    response="Health",
    operation_id="getLiveness",
)

ROUTES: Final = (
    EXECUTE,
    BATCH,
    LIST,
    ORDER,
    ORDER_BY_CLIENT_ID,
    EVENTS,
    STATS,
    QUOTES,
    TICKETS,
    Route("GET", "/healthz", operations.get_liveness, _HEALTH, Access.OPEN),
    Route(
        "GET",
        "/health",
        operations.get_liveness,
        replace(_HEALTH, operation_id="getHealth"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/livez",
        operations.get_liveness,
        replace(_HEALTH, operation_id="getLivez"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/readyz",
        readiness.get_readiness,
        RouteDoc(
            "Tell whether orders can be accepted and executed",
            "operations",
            response="Readiness",
            problem_statuses=(503,),
        ),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/metrics",
        operations.get_metrics,
        RouteDoc(
            "Metrics in Prometheus' text format",
            "operations",
            media_type="text/plain",
            problem_statuses=(401, 403),
            description="For callers on this machine, unless a setting says otherwise.",
        ),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/",
        static_files.get_home,
        RouteDoc(
            "Lead to the browser client",
            "documents",
            status=302,
            headers=("Location",),
            media_type="text/plain",
        ),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/openapi.json",
        static_files.get_openapi,
        RouteDoc("This document", "documents", media_type="application/json"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/docs",
        static_files.get_docs_page,
        RouteDoc("This document, for people", "documents", media_type="text/html"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/docs/<name>",
        static_files.get_docs_file,
        RouteDoc("The files of that page", "documents", media_type="*/*"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/static/<path:name>",
        static_files.get_static_file,
        RouteDoc("The browser client", "documents", media_type="*/*"),
        Access.OPEN,
        is_page=True,
    ),
)

SOCKETS: Final = (
    SocketRoute(
        order_socket.EXECUTE_PATH,
        order_socket.serve_execute_socket,
        RouteDoc(
            "Follow an order, or place one and follow it",
            "sockets",
            problem_statuses=(404,),
            parameters=("orderId", "after (seq)", "ticket", "Idempotency-Key"),
            description="with `orderId`, each message is an Event, from the first one or the one"
            " behind `after`; closed with 1000 after the last. Without, the first message is an"
            " OrderBody and is answered by Queued, or by a Problem and close code 1008 (1013 if"
            " it may succeed later); its events follow.",
        ),
        rate_cost=RateCost.ORDERS,
    ),
    SocketRoute(
        order_socket.UPGRADE_PATH,
        order_socket.serve_upgrade_socket,
        RouteDoc(
            "Follow an order",
            "sockets",
            parameters=("after (seq)", "ticket"),
            description="each message is an Event; closed with 1000 after the last, with 1001 when"
            " this server stops, with 1013 if the reader is too slow.",
        ),
    ),
    SocketRoute(
        stream_socket.STREAM_PATH,
        stream_socket.serve_stream_socket,
        RouteDoc(
            "Follow many orders",
            "sockets",
            parameters=("batchId", "orderId (many)", "status", "dex", "after", "ticket"),
            description="first a Hello, then Frames: arrays of Events whose last one has a"
            " `cursor`; a Heartbeat when there is nothing to tell; a Bye before close code 1001"
            " (this server stops) or 1013 (the reader is too slow). Connect again with the newest"
            " cursor as `after`: nothing is missed and nothing comes twice.",
        ),
    ),
)
