"""The route table: every path that is served, who may call it, and its documentation.

The application and the OpenAPI document are built from this table, and a test proves that nothing
else is served.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backend.api.application.tables.accounting_routes import ACCOUNTING_ROUTES
from backend.api.application.tables.admin_routes import ADMIN_ROUTES
from backend.api.application.tables.order_routes import ORDER_ROUTES
from backend.api.application.tables.webhook_routes import WEBHOOK_ROUTES
from backend.api.route import OPEN, RateCost, Route, RouteDoc, SocketRoute
from backend.api.routes import (
    balances,
    operations,
    quotes,
    readiness,
    static_files,
    tickets,
)
from backend.api.sockets import order_socket, stream_socket
from backend.domain.access.scopes import Scope

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
    scopes=(Scope.READ,),
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
    scopes=(Scope.READ, Scope.TRADE),
)

BALANCES: Final = Route(
    "GET",
    "/api/balances",
    balances.get_balances,
    RouteDoc(
        "Read what the wallets hold, and what orders in flight have reserved of it",
        "market",
        response="Balances",
        problem_statuses=(503,),
        description="Every order is paid from these wallets, whoever placed it. `differences` are"
        " the latest changes of a balance that no order explains, such as deposits and"
        " withdrawals.",
    ),
    scopes=(Scope.ADMIN,),
)

_HEALTH: Final = RouteDoc(
    "Tell whether this process answers",
    "operations",
    response="Health",
    operation_id="getLiveness",
)

ROUTES: Final = (
    *ORDER_ROUTES,
    QUOTES,
    BALANCES,
    *ACCOUNTING_ROUTES,
    TICKETS,
    *WEBHOOK_ROUTES,
    *ADMIN_ROUTES,
    Route("GET", "/healthz", operations.get_liveness, _HEALTH, OPEN, is_probe=True),
    Route(
        "GET",
        "/health",
        operations.get_liveness,
        replace(_HEALTH, operation_id="getHealth"),
        OPEN,
        is_probe=True,
    ),
    Route(
        "GET",
        "/livez",
        operations.get_liveness,
        replace(_HEALTH, operation_id="getLivez"),
        OPEN,
        is_probe=True,
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
        OPEN,
        is_probe=True,
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
        OPEN,
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
        OPEN,
    ),
    Route(
        "GET",
        "/openapi.json",
        static_files.get_openapi,
        RouteDoc("This document", "documents", media_type="application/json"),
        OPEN,
    ),
    Route(
        "GET",
        "/docs",
        static_files.get_docs_page,
        RouteDoc("This document, for people", "documents", media_type="text/html"),
        OPEN,
    ),
    Route(
        "GET",
        "/docs/<name>",
        static_files.get_docs_file,
        RouteDoc("The files of that page", "documents", media_type="*/*"),
        OPEN,
    ),
    Route(
        "GET",
        "/static/<path:name>",
        static_files.get_static_file,
        RouteDoc("The browser client", "documents", media_type="*/*"),
        OPEN,
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
            parameters=("orderId", "after (seq)", "ticket", "auth", "Idempotency-Key"),
            description="with `orderId`, each message is an Event, from the first one or the one"
            " behind `after`; closed with 1000 after the last. Without, the first message is an"
            " OrderBody and is answered by Queued, or by a Problem and close code 1008 (1013 if"
            " it may succeed later); its events follow.",
        ),
        scopes=(Scope.READ, Scope.TRADE),
        rate_cost=RateCost.ORDERS,
    ),
    SocketRoute(
        order_socket.UPGRADE_PATH,
        order_socket.serve_upgrade_socket,
        RouteDoc(
            "Follow an order",
            "sockets",
            parameters=("after (seq)", "ticket", "auth"),
            description="each message is an Event; closed with 1000 after the last, with 1001 when"
            " this server stops, with 1013 if the reader is too slow.",
        ),
        scopes=(Scope.READ,),
    ),
    SocketRoute(
        stream_socket.STREAM_PATH,
        stream_socket.serve_stream_socket,
        RouteDoc(
            "Follow many orders",
            "sockets",
            parameters=(
                "batchId",
                "orderId (many)",
                "status",
                "dex",
                "after",
                "prices",
                "ticket",
                "auth",
            ),
            description="first a Hello, then Frames: arrays of Events whose last one has a"
            " `cursor`; a Heartbeat when there is nothing to tell; a Bye before close code 1001"
            " (this server stops) or 1013 (the reader is too slow). Connect again with the newest"
            " cursor as `after`: nothing is missed and nothing comes twice. With `prices`,"
            " NewPrices too: the bars of a second that are new or have changed.",
        ),
        scopes=(Scope.READ,),
    ),
)
