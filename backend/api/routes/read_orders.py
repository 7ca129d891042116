"""Reading orders: one order, a page of orders, an order's events, and counts by status."""

from __future__ import annotations

from urllib.parse import urlencode

from backend.api.context import ApiContext
from backend.api.routes.parameters import (
    order_not_found,
    parse_order_id,
    read_after_seq,
    read_list_query,
)
from backend.api.wire.cursors import format_list_cursor
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.json import encode, encode_event, join_array, order_to_json, steps_to_json
from backend.domain.orders import OrderRecord


async def list_orders(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders``: a page of orders, newest first."""
    services = api.services
    order_filter, before, limit = read_list_query(request, services.tokens)
    records = await services.orders.list_page(
        request.owner, order_filter, before=before, limit=limit + 1
    )
    page = records[:limit]
    next_cursor = format_list_cursor(page[-1].id) if len(records) > limit else None
    body = encode(
        {"orders": [order_to_json(record, services.tokens) for record in page], "next": next_cursor}
    )
    if next_cursor is None:
        return Response(200, body)
    query = urlencode({**request.query, "cursor": next_cursor}, doseq=True)
    path = api.public_address.find_base(request).path + request.path
    return Response(200, body, {"Link": f'<{path}?{query}>; rel="next"'})


async def get_order(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders/<id>``: the order, with the time of each of its steps."""
    record = await load_order(api, request, request.path_variable)
    events = await api.services.feed.read_order_events(record.id, 0)
    steps = steps_to_json([event for event in events if event.seq <= record.seq])
    return json_response({**order_to_json(record, api.services.tokens), "steps": steps})


async def get_order_events(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders/<id>/events``."""
    after = read_after_seq(request)
    record = await load_order(api, request, request.path_variable)
    events = await api.services.feed.read_order_events(record.id, after)
    texts = [encode_event(event) for event in events]
    return Response(200, f'{{"orderId":"{record.id}","events":{join_array(texts)}}}')


async def load_order(api: ApiContext, request: Request, order_id: str) -> OrderRecord:
    """The caller's order with this id. Raises ``Problem`` (404) if there is none."""
    record = await api.services.orders.get(request.owner, parse_order_id(order_id))
    if record is None:
        raise order_not_found()
    return record


async def get_stats(api: ApiContext, request: Request) -> Response:
    """``GET /api/stats``: counts by status, of all owners together."""
    return Response(200, await api.stats_cache.get_text())
