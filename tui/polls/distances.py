"""Asks the engine, every few seconds, how far the market is from what the shown orders wait for.

A distance is no step of an order, so no event tells it; nor is an outage that one waits out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, cast

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.model.messages import Waiting
from tui.model.orders import WAITING
from tui.model.wire import WireOrder, WireWaiting
from tui.polls.polling import poll_while_live
from tui.session import Session

_INTERVAL_S: Final = 2
_FIELDS: Final = ("orderId", *sorted(WireWaiting.__optional_keys__))


async def follow_distances(session: Session, client: ApiClient) -> None:
    """Keep the distances of the newest orders that wait, and what that at the cursor waits for."""

    async def poll() -> None:
        records = await _fetch_records(session, client)
        if news := [record for record in records if _is_news(session, record)]:
            session.handle_message(Waiting(news), session.source.now_ms())

    await poll_while_live(session, poll, interval_s=_INTERVAL_S)


async def _fetch_records(session: Session, client: ApiClient) -> list[WireWaiting]:
    orders, shown = [], session.cursor.order
    if session.model.counters.by_status[WAITING]:
        orders = await client.fetch_waiting()
    is_left = shown is not None and shown.id not in {each["orderId"] for each in orders}
    if shown is not None and is_left and not shown.is_end:
        with suppress(RequestRefused, ServerUnreachable):  # the others are told all the same
            orders.append(await client.fetch_order(shown.id))
    return [_pick_fields(order) for order in orders]


def _pick_fields(order: WireOrder) -> WireWaiting:
    told = cast(dict[str, Any], order)
    return cast(WireWaiting, {name: told[name] for name in _FIELDS if name in told})


def _is_news(session: Session, record: WireWaiting) -> bool:
    """Whether the record says of a known order what is not known of it."""
    order = session.model.orders.get(record["orderId"])
    return order is not None and order.copy().set_waiting(record)
