"""Reading orders: one order, a page of orders, an order's events, and counts by status."""

from __future__ import annotations

from uuid import UUID

from backend.api.context import ApiContext
from backend.api.routes.list_parameters import ListQuery, read_list_query
from backend.api.routes.parameters import (
    build_next_link,
    is_client_order_id,
    order_archived,
    order_not_found,
    parse_order_id,
    read_after_seq,
)
from backend.api.routes.waiting.order_markets import show_markets
from backend.api.wire.cursors import format_list_cursor
from backend.api.wire.http import Request, Response
from backend.api.wire.json import encode_event, join_array
from backend.api.wire.order_json import NO_MARKET, encode_order, encode_order_page
from backend.api.wire.problems import Problem
from backend.domain.orders import OrderRecord
from backend.store.reads.order_lists import ListPosition, OrderFilter


async def list_orders(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders``: a page of orders, newest first unless the query says otherwise."""
    services = api.services
    query = read_list_query(request, services.tokens)
    horizon = None
    if query.is_start_of_poll:  # in a statement of its own, before the list
        horizon = await services.orders.read_horizon()
    page, position = await _read_page(api, request, query)
    cursor = None
    if position is not None:
        is_by_update = query.filter.updated_since is not None
        cursor = format_list_cursor(position, is_by_update=is_by_update)
    markets = await show_markets(api, page)
    body = encode_order_page(page, services.tokens, cursor, horizon, markets)
    headers = {} if cursor is None else build_next_link(api.public_address, request, cursor)
    return Response(200, body, headers)


async def _read_page(
    api: ApiContext, request: Request, query: ListQuery
) -> tuple[list[OrderRecord], ListPosition | None]:
    """The orders of a page, and the position behind which the others are, if there may be any."""
    orders, position = api.services.orders, None
    owner, which, limit = request.owner, query.filter, query.limit + 1
    after, is_ascending = query.after, query.is_ascending
    if which.has_leg:
        records, position = await orders.search_page(
            owner, which, limit=limit, after=after, is_ascending=is_ascending
        )
    else:
        records = await orders.list_page(
            owner, which, limit=limit, after=after, is_ascending=is_ascending
        )
    page = records[: query.limit]
    if len(records) == limit:
        is_by_update = which.updated_since is not None
        at = page[-1].updated_at if is_by_update else page[-1].created_at
        position = ListPosition(at, page[-1].id)
    return page, position


async def get_order(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders/<id>``: the order, with the time of each of its steps."""
    return await show_order(api, await load_order(api, request, request.path_variable))


async def get_order_by_client_id(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders/by-client-id/<clientOrderId>``: as ``get_order``."""
    name = request.path_variable
    if not is_client_order_id(name):
        raise order_not_found("clientOrderId")
    records = await api.services.orders.list_page(
        request.owner, OrderFilter(client_order_id=name), limit=1
    )
    if not records:
        archived = await api.services.orders.archived.find_by_name(request.owner, name)
        raise order_not_found("clientOrderId") if archived is None else order_archived(archived)
    return await show_order(api, records[0])


async def show_order(api: ApiContext, record: OrderRecord) -> Response:
    """The response with an order and the time of each of its steps."""
    events = await api.services.past_events.read_order_events(record.id, 0)
    steps = [event for event in events if event.seq <= record.seq]
    market = (await show_markets(api, [record])).get(record.id, NO_MARKET)
    return Response(200, encode_order(record, api.services.tokens, steps, market))


async def get_order_events(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders/<id>/events``."""
    after = read_after_seq(request)
    record = await load_order(api, request, request.path_variable)
    events = await api.services.past_events.read_order_events(record.id, after)
    texts = [encode_event(event) for event in events]
    return Response(200, f'{{"orderId":"{record.id}","events":{join_array(texts)}}}')


async def load_order(api: ApiContext, request: Request, order_id: str) -> OrderRecord:
    """The caller's order with this id. Raises ``Problem`` (404, 410) if there is none."""
    parsed = parse_order_id(order_id)
    record = await api.services.orders.get(request.owner, parsed)
    if record is None:
        raise await explain_missing_order(api, request.owner, parsed)
    return record


async def explain_missing_order(api: ApiContext, owner: str, order_id: UUID) -> Problem:
    """The problem of an order that is not there: it was archived (410), or never was (404)."""
    archived = await api.services.orders.archived.find(owner, order_id)
    return order_not_found() if archived is None else order_archived(archived)


async def get_stats(api: ApiContext, request: Request) -> Response:
    """``GET /api/stats``: counts of the caller's orders by status."""
    return Response(200, await api.stats_cache.get_text(request.owner))
