"""Cancelling orders: each is either cancelled and never executed, or it is too late for that."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.routes.parameters import order_not_found, parse_order_id
from backend.api.routes.place_orders import await_written
from backend.api.routes.read_orders import show_order
from backend.api.wire.http import Request, Response
from backend.api.wire.json import order_to_json
from backend.api.wire.problems import Problem
from backend.domain.errors import Transient
from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.domain.orders import OrderRecord
from backend.store.withdrawals.cancellations import CancelReason

ATTEMPTS_MAX = 5
"""Tries of an order that is submitted at the statement, and to be routed again when it is read."""
_UNKNOWN_RESULT = "whether it was cancelled is not known, so repeat it"


async def cancel_order(api: ApiContext, request: Request) -> Response:
    """``DELETE /api/orders/<id>``: 200 with the cancelled order, or 409 with it as it is."""
    services, order_id = api.services, parse_order_id(request.path_variable)
    for _ in range(ATTEMPTS_MAX):
        cancelling = services.cancellations.cancel(request.owner, order_id, CancelReason.REQUESTED)
        await await_written(cancelling, _UNKNOWN_RESULT)
        record = await services.orders.get_current(request.owner, order_id)
        if record is None:
            raise order_not_found()
        if record.status is Status.CANCELLED:
            return await show_order(api, record)
        if record.status not in CANCELLABLE_STATUSES:
            raise _too_late(api, record)
    raise Transient("busy", "the order changes its status again and again; repeat the request")


def _too_late(api: ApiContext, record: OrderRecord) -> Problem:
    """The problem of an order that is submitted or has ended."""
    if record.status is Status.SUBMITTED:
        detail = (
            "the order is submitted: its transaction may land up to block height"
            f" {record.last_valid_height}"
        )
    else:
        detail = f"the order has ended: it is {record.status}"
    members = {"order": order_to_json(record, api.services.tokens)}
    return Problem(409, "too_late", detail, members=members)
