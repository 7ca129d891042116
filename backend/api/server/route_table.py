"""The table of routes: what may be called, by whom, and how it is documented.

The application is made from this table, the OpenAPI document too, and a test holds that nothing
is served that is not in it.
"""

from __future__ import annotations

from typing import Final

from backend.api.route import Access, Counted, Doc, Route, SocketRoute
from backend.api.routes import operations as ops
from backend.api.routes import place_orders as accept
from backend.api.routes import quotes as market
from backend.api.routes import read_orders as reading
from backend.api.sockets import views as sockets

_DATABASE: Final = (503,)
"""What every route answers that needs PostgreSQL, while it is away."""

EXECUTE: Final = Route(
    "POST",
    sockets.EXECUTE,
    accept.execute,
    Doc(
        "Place an order",
        "orders",
        answer="Queued",
        body="OrderBody",
        status=202,
        problems=_DATABASE,
        parameters=("Idempotency-Key",),
        headers=("Location", "Idempotent-Replayed"),
        note="Answered when the order is stored. Follow it on the WebSocket that `ws_url` names.",
    ),
    counts=Counted.ORDERS,
)
BATCH: Final = Route(
    "POST",
    "/api/orders/batch",
    accept.batch,
    Doc(
        "Place many orders",
        "orders",
        answer="Batch",
        body="BatchBody",
        status=202,
        problems=_DATABASE,
        parameters=("Idempotency-Key",),
        headers=("Idempotent-Replayed",),
        note="The valid orders are stored together, all or none; each place of the answer is that"
        " of its order. With no valid order the answer is 422 with the same `orders`.",
    ),
    counts=Counted.ORDERS,
)
LIST: Final = Route(
    "GET",
    "/api/orders",
    reading.list_orders,
    Doc(
        "List orders, the newest first",
        "orders",
        answer="OrderList",
        problems=(400, *_DATABASE),
        parameters=("status", "batchId", "dex", "tokenIn", "tokenOut", "limit", "cursor"),
        headers=("Link",),
    ),
)
ORDER: Final = Route(
    "GET",
    "/api/orders/<name>",
    reading.get_order,
    Doc("Show an order", "orders", answer="Order", problems=_DATABASE),
)
EVENTS: Final = Route(
    "GET",
    "/api/orders/<name>/events",
    reading.order_events,
    Doc(
        "Show what has happened to an order",
        "orders",
        answer="OrderEvents",
        problems=(400, *_DATABASE),
        parameters=("after (seq)",),
    ),
)
STATS: Final = Route(
    "GET",
    "/api/stats",
    reading.stats,
    Doc(
        "Count orders by status, all owners together",
        "orders",
        answer="Stats",
        problems=_DATABASE,
        note="True at `cursor`, which the stream takes as `after`.",
    ),
)
QUOTES: Final = Route(
    "POST",
    "/api/quotes",
    market.quote,
    Doc(
        "Quote a swap on every venue, without placing an order",
        "market",
        answer="Quotes",
        body="SwapBody",
        problems=(503,),
    ),
)

_HEALTH: Final = Doc("Tell whether this process answers", "operations", answer="Health")

ROUTES: Final = (
    EXECUTE,
    BATCH,
    LIST,
    ORDER,
    EVENTS,
    STATS,
    QUOTES,
    Route("GET", "/healthz", ops.healthz, _HEALTH, Access.OPEN),
    Route("GET", "/livez", ops.healthz, _HEALTH, Access.OPEN),
    Route(
        "GET",
        "/readyz",
        ops.readyz,
        Doc(
            "Tell whether orders can be accepted and executed",
            "operations",
            answer="Readiness",
            problems=(503,),
        ),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/metrics",
        ops.metrics,
        Doc("Metrics in Prometheus' text format", "operations", media="text/plain"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/openapi.json",
        ops.openapi,
        Doc("This document", "documents", media="application/json"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/docs",
        ops.docs,
        Doc("This document, for people", "documents", media="text/html"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/docs/<name>",
        ops.docs_file,
        Doc("The files of that page", "documents", media="*/*"),
        Access.OPEN,
    ),
    Route(
        "GET",
        "/static/<path:name>",
        ops.static_file,
        Doc("The browser client", "documents", media="*/*"),
        Access.OPEN,
    ),
)

SOCKETS: Final = (
    SocketRoute(
        sockets.EXECUTE,
        sockets.execute,
        Doc(
            "Follow an order, or place one and follow it",
            "sockets",
            problems=(404,),
            parameters=("orderId", "after (seq)", "Idempotency-Key"),
            note="with `orderId`, each message is an Event, from the first one or the one behind"
            " `after`; closed with 1000 after the last. Without, the first message is an OrderBody"
            " and is answered by Queued, or by a Problem and close code 1008 (1013 if it may"
            " succeed later); its events follow.",
        ),
        counts=Counted.ORDERS,
    ),
    SocketRoute(
        sockets.UPGRADE,
        sockets.upgrade,
        Doc(
            "Follow an order",
            "sockets",
            parameters=("after (seq)",),
            note="each message is an Event; closed with 1000 after the last, with 1001 when this"
            " server stops, with 1013 if the reader is too slow.",
        ),
    ),
    SocketRoute(
        sockets.STREAM,
        sockets.stream,
        Doc(
            "Follow many orders",
            "sockets",
            parameters=("batchId", "orderId (many)", "status", "dex", "after"),
            note="first a Hello, then Frames: arrays of Events whose last one has a `cursor`; a"
            " Heartbeat when there is nothing to tell; a Bye before close code 1001 (this server"
            " stops) or 1013 (the reader is too slow). Connect again with the newest cursor as"
            " `after`: nothing is missed and nothing comes twice.",
        ),
    ),
)
