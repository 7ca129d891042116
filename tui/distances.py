"""Asks the engine, every few seconds, how far the market is from what the shown orders wait for.

A distance is no step of an order, so no event tells it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import Waiting
from tui.model.orders import WAITING
from tui.model.waiting import Distance, Slices
from tui.model.wire import WireOrder, WireWaiting
from tui.session import Session

_INTERVAL_S: Final = 2
_FIELDS: Final = ("orderId", *sorted(WireWaiting.__optional_keys__))


async def follow_distances(session: Session, client: ApiClient) -> None:
    """Keep the distances of the newest orders that wait, and of the one at the cursor."""
    while True:
        if _has_waiting(session):
            try:
                records = await _fetch_records(session, client)
            except (RequestRefused, ServerUnreachable):
                records = []  # the feed tells what is wrong with the connection
            if news := [record for record in records if _is_news(session, record)]:
                session.handle_message(Waiting(news), session.source.now_ms())
        await asyncio.sleep(_INTERVAL_S)


def _has_waiting(session: Session) -> bool:
    is_live = session.model.connection.status is ConnectionStatus.LIVE
    return is_live and session.model.counters.by_status[WAITING] > 0


async def _fetch_records(session: Session, client: ApiClient) -> list[WireWaiting]:
    orders = await client.fetch_waiting()
    shown = session.cursor.order
    is_left = shown is not None and shown.id not in {each["orderId"] for each in orders}
    if shown is not None and is_left and shown.status == WAITING:
        orders.append(await client.fetch_order(shown.id))
    return [_pick_fields(order) for order in orders]


def _pick_fields(order: WireOrder) -> WireWaiting:
    told = cast(dict[str, Any], order)
    return cast(WireWaiting, {name: told[name] for name in _FIELDS if name in told})


def _is_news(session: Session, record: WireWaiting) -> bool:
    """Whether the record says of a known order what is not known of it."""
    order = session.model.orders.get(record["orderId"])
    if order is None or len(record) == 1:
        return False
    slices = order.slices and Slices.read(record, order.slices)
    return (order.distance, order.slices) != (Distance.read(record), slices)
