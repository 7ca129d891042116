"""Looking at orders: one, a page of many, an order's events, and how many there are."""

from __future__ import annotations

from urllib.parse import urlencode

from backend.api.context import Api
from backend.api.routes.parameters import after_query, list_query, no_order, order_id
from backend.api.wire.cursors import list_cursor
from backend.api.wire.http import Answer, Call, json_answer
from backend.api.wire.json import array, encode, event_text, order_json
from backend.domain.orders import Record


async def list_orders(api: Api, call: Call) -> Answer:
    """``GET /api/orders``: the newest first."""
    front = api.front
    which, before, limit = list_query(call, front.tokens)
    records = await front.orders.page(call.owner, which, before=before, limit=limit + 1)
    shown = records[:limit]
    following = list_cursor(shown[-1].id) if len(records) > limit else None
    body = encode(
        {"orders": [order_json(record, front.tokens) for record in shown], "next": following}
    )
    if following is None:
        return Answer(200, body)
    query = urlencode({**call.args, "cursor": following}, doseq=True)
    return Answer(200, body, {"Link": f'<{call.path}?{query}>; rel="next"'})


async def get_order(api: Api, call: Call) -> Answer:
    """``GET /api/orders/<id>``."""
    return json_answer(order_json(await found(api, call, call.name), api.front.tokens))


async def order_events(api: Api, call: Call) -> Answer:
    """``GET /api/orders/<id>/events``."""
    after = after_query(call)
    record = await found(api, call, call.name)
    events = await api.front.feed.of_order(record.id, after)
    texts = [event_text(event) for event in events]
    return Answer(200, f'{{"orderId":"{record.id}","events":{array(texts)}}}')


async def found(api: Api, call: Call, name: str) -> Record:
    """The order of the caller with this id. Raises ``Problem`` (404)."""
    record = await api.front.orders.get(call.owner, order_id(name))
    if record is None:
        raise no_order()
    return record


async def stats(api: Api, call: Call) -> Answer:
    """``GET /api/stats``: all owners together."""
    return Answer(200, await api.stats.text())
