"""The routes of orders: placing, amending, cancelling and reading them."""

from __future__ import annotations

from typing import Final

from backend.api.route import RateCost, Route, RouteDoc
from backend.api.routes import (
    cancel_orders,
    cancel_timer,
    place_batch,
    place_orders,
    read_orders,
)
from backend.api.routes.waiting import amend_orders
from backend.api.sockets import order_socket
from backend.domain.access.scopes import Scope

_DATABASE_UNAVAILABLE: Final = (503,)
"""The problem status of every route that needs PostgreSQL, while it is unavailable."""
_OF_AN_ORDER: Final = (410, *_DATABASE_UNAVAILABLE)
"""Those of every route of one order, which may have been archived."""

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
    scopes=(Scope.TRADE,),
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
    scopes=(Scope.TRADE,),
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
            *("status (list)", "batchId", "parentId", "ocoGroup", "clientOrderId"),
            *("dex", "program", "pool", "tokenIn", "tokenOut", "type"),
            *("from", "to", "updatedSince", "order", "limit", "cursor"),
        ),
        headers=("Link",),
        description="A list is by the time of creation, and with `updatedSince` by the time of the"
        " last change. Those are times of the database's clock. What must miss nothing follows the"
        " stream, or begins each poll at the `completeUntil` of the last one. With `program` or"
        " `pool`, a page may have fewer orders than `limit`, or none, and a `next`: so many orders"
        " were searched for it.",
    ),
    scopes=(Scope.READ,),
)
ORDER: Final = Route(
    "GET",
    "/api/orders/<orderId>",
    read_orders.get_order,
    RouteDoc(
        "Show an order",
        "orders",
        response="Order",
        problem_statuses=_OF_AN_ORDER,
        description="410 `order_archived` with its `archived` file if it was moved to an archive.",
    ),
    scopes=(Scope.READ,),
)
CANCEL: Final = Route(
    "DELETE",
    "/api/orders/<orderId>",
    cancel_orders.cancel_order,
    RouteDoc(
        "Cancel an order that is not submitted",
        "orders",
        response="Order",
        problem_statuses=(409, *_OF_AN_ORDER),
        description="200 with the cancelled order: it will never be executed; a repeat gets the"
        " same. Or 409 `too_late` with the `order` as it is: submitted, so that it may land until"
        " `mayLandUntil`, or ended. Nothing in between. With a `twap` its slices are cancelled that"
        " are not submitted: `filledAmountIn` may still grow by those that are.",
    ),
    scopes=(Scope.CANCEL,),
)
AMEND: Final = Route(
    "PATCH",
    "/api/orders/<orderId>",
    amend_orders.amend_order,
    RouteDoc(
        "Amend an order that waits for a price",
        "orders",
        response="Order",
        body="AmendBody",
        problem_statuses=(409, 412, 428, *_OF_AN_ORDER),
        parameters=("If-Match",),
        description="`If-Match` names the `seq` of the order that is amended, in quotes. 200 with"
        " the order: from then on it is executed by its new terms only, and its next `waiting`"
        " event has those that changed. Else nothing has changed: 412 with the `order` as it is if"
        " it has another `seq` by now, as a repeat finds it; 409 `too_late` if it waits no more;"
        " 409 `would_be_met` with the `executablePrice` if its new terms are met already, which"
        " `allowImmediate` permits. The minimum of what ends as a limit follows from its price;"
        " the highest price of a trailing stop stays. No `twap` or `sniper` order is amended.",
    ),
    scopes=(Scope.TRADE,),
    rate_cost=RateCost.ORDERS,
)
CANCEL_MANY: Final = Route(
    "DELETE",
    "/api/orders",
    cancel_orders.cancel_matching_orders,
    RouteDoc(
        "Cancel all open orders of a filter",
        "orders",
        response="Cancellations",
        problem_statuses=(400, 422, *_DATABASE_UNAVAILABLE),
        parameters=(
            *("status (cancel)", "batchId", "parentId", "ocoGroup"),
            *("tokenIn", "tokenOut", "type", "all", "limit (cancel)", "cursor (cancel)"),
        ),
        description="The oldest first, up to `limit` in one call: while `next` is not null, call"
        " again with it as `cursor`. Without any filter the answer is 422 `filter_required`, unless"
        " `all=true` says that all are meant.",
    ),
    scopes=(Scope.CANCEL,),
)
_TIMER_DESCRIPTION: Final = (
    "A dead man's switch: at `triggerTime`, by the clock of the database, all orders of the caller"
    " that are open and were accepted up to then are cancelled, once, whether a client is there or"
    " not. One that is submitted then may land; if it cannot, it is cancelled before another"
    " attempt. While any of them is open, `cancelling` is true. What is placed later stays."
)
SET_TIMER: Final = Route(
    "POST",
    "/api/orders/cancel-after",
    cancel_timer.set_cancel_timer,
    RouteDoc(
        "Cancel all open orders in some seconds, unless called again before",
        "orders",
        response="CancelTimer",
        body="CancelAfterBody",
        problem_statuses=_DATABASE_UNAVAILABLE,
        description=f"{_TIMER_DESCRIPTION} Each call counts from its own time; 0 turns it off. What"
        " has triggered is carried out, whatever is called later.",
    ),
    scopes=(Scope.CANCEL,),
)
GET_TIMER: Final = Route(
    "GET",
    "/api/orders/cancel-after",
    cancel_timer.get_cancel_timer,
    RouteDoc(
        "Show when all open orders will be cancelled",
        "orders",
        response="CancelTimer",
        problem_statuses=_DATABASE_UNAVAILABLE,
        description=_TIMER_DESCRIPTION,
    ),
    scopes=(Scope.READ,),
)
ORDER_BY_CLIENT_ID: Final = Route(
    "GET",
    "/api/orders/by-client-id/<text:clientOrderId>",
    read_orders.get_order_by_client_id,
    RouteDoc(
        "Show the order with a `clientOrderId`",
        "orders",
        response="Order",
        problem_statuses=_OF_AN_ORDER,
        description="The rest of the path is the id, percent-encoded: `/` may be in it as it is or"
        " as `%2F`, also at its beginning and its end. Of the ids `.` and `..`, which clients take"
        " for folders, and behind a proxy that changes paths, `GET /api/orders?clientOrderId=` has"
        " the order.",
    ),
    scopes=(Scope.READ,),
)
EVENTS: Final = Route(
    "GET",
    "/api/orders/<orderId>/events",
    read_orders.get_order_events,
    RouteDoc(
        "Show what has happened to an order",
        "orders",
        response="OrderEvents",
        problem_statuses=(400, *_OF_AN_ORDER),
        parameters=("after (seq)",),
    ),
    scopes=(Scope.READ,),
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
        description="True at `cursor`, which the stream takes as `after`. `cluster` is the one that"
        " signatures are on: `mainnet-beta`, `devnet`, `testnet`, `localnet`, `simulated`, or"
        " `unknown` if the node had not told it when the process started.",
    ),
    scopes=(Scope.READ,),
)

ORDER_ROUTES: Final = (
    EXECUTE,
    BATCH,
    LIST,
    ORDER,
    AMEND,
    CANCEL,
    CANCEL_MANY,
    SET_TIMER,
    GET_TIMER,
    ORDER_BY_CLIENT_ID,
    EVENTS,
    STATS,
)
