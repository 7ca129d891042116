"""WebSocket views of one order: follow an existing order, or place one and follow it.

A view subscribes to the order's new events first, then reads its past ones, and skips by ``seq``
what it has sent already: no gap between the two and no duplicate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from werkzeug.datastructures import Headers

from backend.api.context import ApiContext
from backend.api.delivery.client_socket import ClientSocket, tell_problem
from backend.api.delivery.event_page import EncodedEvent
from backend.api.delivery.open_sockets import CloseRequest
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.api.routes.parameters import read_after_seq
from backend.api.routes.place_orders import accept_order
from backend.api.routes.read_orders import load_order
from backend.api.sockets.session import FirstMessage, find_socket_caller, run_session
from backend.api.wire.http import Request
from backend.api.wire.json import decode, encode_event
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.domain.access.scopes import Scope
from backend.domain.orders import OrderEvent

BUFFERED_EVENTS_MAX = 200
"""Most events of one order that may wait to be sent."""
FIRST_MESSAGE_TIMEOUT_S = 30.0

EXECUTE_PATH = "/api/orders/execute"
UPGRADE_PATH = "/api/orders/upgrade/<orderId>"


async def serve_execute_socket(api: ApiContext, request: Request, socket: ClientSocket) -> None:
    """``WS /api/orders/execute``: follow ``orderId``; without it, place the order sent first."""
    order_id = request.get_query_value("orderId")
    if order_id is not None:
        await _follow_order(api, request, socket, order_id)
        return
    if request.get_query_value("after") is not None:
        reason = "goes with orderId: an order that is placed here is followed from its beginning"
        raise invalid_fields([FieldError("after", "invalid_parameter", reason)], 400)
    caller = find_socket_caller(api, request, Scope.TRADE)
    with api.open_sockets.register(EXECUTE_PATH, caller) as close_request:
        await socket.accept(headers=Headers(dict(api.admission.policy_headers)))
        placement = _OrderPlacement(api, request, socket, close_request)
        await run_session(socket, close_request, placement.run)


async def serve_upgrade_socket(api: ApiContext, request: Request, socket: ClientSocket) -> None:
    """``WS /api/orders/upgrade/<id>``: follow one order."""
    await _follow_order(api, request, socket, request.path_variable)


async def _follow_order(
    api: ApiContext, request: Request, socket: ClientSocket, order_id: str
) -> None:
    after = read_after_seq(request)
    caller = find_socket_caller(api, request, Scope.READ)
    record = await load_order(api, request, order_id)
    is_complete = record.status.is_final and record.seq <= after
    with api.open_sockets.register(UPGRADE_PATH, caller) as close_request:
        queue: OutgoingQueue[EncodedEvent] = OutgoingQueue(
            close_request, weight_max=BUFFERED_EVENTS_MAX
        )
        async with api.feed_tail.subscribe_to_order(record.id, queue):
            past_events = await api.services.past_events.read_order_events(record.id, after)
            await socket.accept()

            async def send_events(_: FirstMessage) -> None:
                if not is_complete:
                    await _send_order_events(socket, past_events, queue, after)

            await run_session(socket, close_request, send_events)


async def _send_order_events(
    socket: ClientSocket,
    past_events: Sequence[OrderEvent],
    queue: OutgoingQueue[EncodedEvent],
    after: int,
) -> None:
    """Send an order's events, its past ones first, up to the final one."""
    seq = after
    for past in past_events:
        await socket.send(encode_event(past))
        seq = past.seq
    is_complete = bool(past_events) and past_events[-1].status.is_final
    while not is_complete:
        encoded = await queue.get()
        event = encoded.event
        if event.seq > seq + 1:
            continue  # its notification came before that of the event before: the feed has both
        is_complete = event.status.is_final
        if event.seq > seq:
            await socket.send(encoded.text)
            seq = event.seq


class _OrderPlacement:
    """A session that places the order of its first message and then sends the order's events."""

    def __init__(
        self, api: ApiContext, request: Request, socket: ClientSocket, close_request: CloseRequest
    ) -> None:
        self._api = api
        self._request = request
        self._socket = socket
        self._close_request = close_request

    async def run(self, first_message: FirstMessage) -> None:
        try:
            order_id = await self._place_order(first_message)
        except Exception as error:  # noqa: BLE001 - the edge: sent as a problem, as over HTTP
            self._close_request.set(await tell_problem(self._socket, error, EXECUTE_PATH))
            return
        queue: OutgoingQueue[EncodedEvent] = OutgoingQueue(
            self._close_request, weight_max=BUFFERED_EVENTS_MAX
        )
        async with self._api.feed_tail.subscribe_to_order(order_id, queue):
            past_events = await self._api.services.feed.read_order_events(order_id, 0)
            await _send_order_events(self._socket, past_events, queue, 0)

    async def _place_order(self, first_message: FirstMessage) -> UUID:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_TIMEOUT_S):
                message = await first_message
        except TimeoutError:
            detail = f"no order was received within {FIRST_MESSAGE_TIMEOUT_S:g} s"
            raise Problem(408, "request_timeout", detail) from None
        await self._api.admission.admit(self._request.owner)
        accepted = await accept_order(self._api, self._request, decode(message))
        await self._socket.send(accepted.response.body)
        return accepted.order_id
