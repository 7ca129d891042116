"""Cancelling orders: each is either cancelled and never executed, or it is too late for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from backend.api.context import ApiContext
from backend.api.routes.list_parameters import LIMIT_MAX, read_statuses
from backend.api.routes.parameters import (
    QueryReader,
    enum_parser,
    integer_parser,
    parse_order_id,
    parse_uuid,
)
from backend.api.routes.place_orders import await_written
from backend.api.routes.read_orders import explain_missing_order, show_order
from backend.api.wire.cursors import format_list_cursor, parse_list_cursor
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.order_json import order_to_json
from backend.api.wire.problems import Problem
from backend.domain.errors import Transient
from backend.domain.lifecycle import CANCELLABLE_STATUSES, OPEN_STATUSES, Status
from backend.domain.orders import OrderRecord, OrderType
from backend.domain.tokens import TokenRegistry
from backend.store.reads.order_lists import ListPosition, OrderFilter
from backend.store.withdrawals.cancellations import CancelReason

ATTEMPTS_MAX = 5
"""Tries of an order that is submitted at the statement, and to be routed again when it is read."""
_UNKNOWN_RESULT = "whether it was cancelled is not known, so repeat it"


async def cancel_order(api: ApiContext, request: Request) -> Response:
    """``DELETE /api/orders/<id>``: 200 with the cancelled order, or 409 with it as it is."""
    services, order_id = api.services, parse_order_id(request.path_variable)
    for _ in range(ATTEMPTS_MAX):
        cancelling = services.withdrawals.cancellations.cancel(
            request.owner, order_id, CancelReason.REQUESTED
        )
        await await_written(cancelling, _UNKNOWN_RESULT)
        record = await services.orders.get_current(request.owner, order_id)
        if record is None:
            raise await explain_missing_order(api, request.owner, order_id)
        if record.status is Status.CANCELLED:
            return await show_order(api, record)
        if record.status not in CANCELLABLE_STATUSES:
            raise too_late(api, record)
    raise Transient("busy", "the order changes its status again and again; repeat the request")


async def cancel_matching_orders(api: ApiContext, request: Request) -> Response:
    """``DELETE /api/orders``: cancel the open orders of a filter, a bounded number in one call."""
    query = _read_query(request, api.services.tokens)
    records = await api.services.orders.list_page(
        request.owner, query.filter, after=query.after, limit=query.limit + 1, is_ascending=True
    )
    page = records[: query.limit]
    ids = [record.id for record in page]
    cancelled = await await_written(_cancel_all(api, request.owner, ids), _UNKNOWN_RESULT)
    cursor = None
    if len(records) > query.limit:
        last = ListPosition(page[-1].created_at, page[-1].id)
        cursor = format_list_cursor(last, is_by_update=False)
    return json_response(
        {
            "cancelled": [str(each) for each in ids if each in cancelled],
            "tooLate": [str(each) for each in ids if each not in cancelled],
            "next": cursor,
        }
    )


async def _cancel_all(api: ApiContext, owner: str, ids: Sequence[UUID]) -> set[UUID]:
    """Cancel those of the orders that can be; returns all that are cancelled then."""
    services, cancelled, left = api.services, set[UUID](), list(ids)
    for _ in range(ATTEMPTS_MAX):
        cancelled |= await services.withdrawals.cancellations.cancel_many(
            owner, left, CancelReason.ALL_REQUESTED
        )
        left = [each for each in left if each not in cancelled]
        if not left:
            break
        statuses = await services.orders.read_statuses(owner, left)
        cancelled |= {each for each in left if statuses.get(each) is Status.CANCELLED}
        left = [each for each in left if statuses.get(each) in CANCELLABLE_STATUSES]
    return cancelled


class _CancelQuery(NamedTuple):
    filter: OrderFilter
    after: ListPosition | None
    limit: int


def _read_query(request: Request, tokens: TokenRegistry) -> _CancelQuery:
    """Which orders to cancel. Raises ``Problem``: 400, and 422 without a filter."""
    query = QueryReader(request)
    which = OrderFilter(
        statuses=read_statuses(query, OPEN_STATUSES),
        batch_id=query.read_one("batchId", parse_uuid),
        parent_id=query.read_one("parentId", parse_uuid),
        oco_group=query.read_one("ocoGroup", parse_uuid),
        token_in=query.read_one("tokenIn", lambda name: tokens.find_name(name, "tokenIn")),
        token_out=query.read_one("tokenOut", lambda name: tokens.find_name(name, "tokenOut")),
        type=query.read_one("type", enum_parser(OrderType)),
    )
    is_all = query.read_one("all", _parse_all)
    is_filtered = which != OrderFilter()
    if is_all and is_filtered:
        query.refuse("all", "cannot go with a filter: leave one of them out")
    after = query.read_one("cursor", lambda text: parse_list_cursor(text, is_by_update=False))
    limit = query.read_one("limit", integer_parser(1, LIMIT_MAX))
    query.raise_errors()
    if not (is_filtered or is_all):
        detail = "no filter is given: to cancel all open orders, say so with all=true"
        raise Problem(422, "filter_required", detail)
    which = replace(which, statuses=which.statuses or OPEN_STATUSES)
    return _CancelQuery(which, after, limit or LIMIT_MAX)


def _parse_all(text: str) -> bool:
    if text != "true":
        raise ValueError("must be true, or be left out")
    return True


def too_late(api: ApiContext, record: OrderRecord, reason: str = "") -> Problem:
    """The problem of an order that is submitted, has ended, or waits no more."""
    if record.status is Status.SUBMITTED:
        detail = (
            "the order is submitted: its transaction may land up to block height"
            f" {record.last_valid_height}"
        )
    elif record.status.is_final:
        detail = f"the order has ended: it is {record.status}"
    else:
        detail = reason or f"the order waits no more: it is {record.status}"
    members = {"order": order_to_json(record, api.services.tokens)}
    return Problem(409, "too_late", detail, members=members)
