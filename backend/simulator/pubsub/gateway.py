"""JSON-RPC over WebSockets: subscribe and unsubscribe, with the faults that affect notifications.

As on real nodes, other methods are not available here, equal subscriptions of one socket are one,
and a socket that does not take its notifications in time is closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from aiohttp import WSMsgType, web

from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import (
    LateNotification,
    MethodRefusal,
    NotificationFault,
    NotificationLoss,
    NotificationRepeat,
    SocketClosure,
    SocketRefusal,
)
from backend.simulator.methods.params import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Json,
    Params,
    RpcError,
)
from backend.simulator.pubsub.publisher import Publisher
from backend.simulator.pubsub.subscription import Subscription, SubscriptionKind

UNSENT_MAX: Final = 10_000
"""Messages that a socket may leave unread before it is closed."""
MESSAGE_BYTES_MAX: Final = 4 << 10

_KINDS: Final = {f"{kind}Subscribe": kind for kind in SubscriptionKind}
_Key = tuple[str, bytes]
"""Method and parameters of a subscribe request."""
_UNSUBSCRIBE_METHODS: Final = frozenset(f"{kind}Unsubscribe" for kind in SubscriptionKind)


class SocketGateway:
    """Handles the WebSockets of one node."""

    def __init__(self, publisher: Publisher, faults: FaultRegistry) -> None:
        self._publisher = publisher
        self._faults = faults
        self._sockets: set[_Socket] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one WebSocket until either side closes it."""
        if self._faults.trigger(SocketRefusal) is not None:
            return web.Response(status=503)
        response = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX, compress=False)
        await response.prepare(request)
        socket = _Socket(request, response, self._publisher, self._faults)
        self._sockets.add(socket)
        try:
            await socket.serve()
        finally:
            self._sockets.discard(socket)
            socket.unsubscribe_all()
        return response

    def close(self) -> None:
        """Close all sockets."""
        for socket in list(self._sockets):
            socket.abort()


class _Socket:
    def __init__(
        self,
        request: web.BaseRequest,
        response: web.WebSocketResponse,
        publisher: Publisher,
        faults: FaultRegistry,
    ) -> None:
        self._request = request
        self._response = response
        self._publisher = publisher
        self._faults = faults
        self._subscriptions: dict[_Key, Subscription] = {}
        self._keys: dict[int, _Key] = {}
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(UNSENT_MAX)

    async def serve(self) -> None:
        """Answer requests, and send what is to be sent, until the socket is closed."""
        async with asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send_messages())
            async for message in self._response:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                self._put(self._answer(message.data))
            sender.cancel()

    def notify(self, subscription: Subscription, result: Json) -> None:
        """Send a notification, as far as the armed faults let it through."""
        method = subscription.kind.notification
        if not self._publisher.is_active(subscription):  # this is its last notification
            self._forget(subscription.number)
        message = {
            "jsonrpc": "2.0",
            "method": method,
            "params": {"result": result, "subscription": subscription.number},
        }

        def matches(fault: NotificationFault) -> bool:
            return fault.methods is None or method in fault.methods

        if self._faults.trigger(SocketClosure, matches) is not None:
            self.abort()
        elif self._faults.trigger(NotificationLoss, matches) is not None:
            return
        elif (late := self._faults.trigger(LateNotification, matches)) is not None:
            asyncio.get_running_loop().call_later(late.by_seconds, self._put, message)
        else:
            self._put(message)
            if self._faults.trigger(NotificationRepeat, matches) is not None:
                self._put(message)

    def unsubscribe_all(self) -> None:
        """End the subscriptions of a socket that is closed."""
        for subscription in self._subscriptions.values():
            self._publisher.unsubscribe(subscription)

    def abort(self) -> None:
        """Close the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _send_messages(self) -> None:
        try:
            while True:
                await self._response.send_str((await self._unsent.get()).decode())
        except (ConnectionError, RuntimeError):  # aiohttp raises either once it is closing
            self.abort()

    def _put(self, message: Json) -> None:
        try:
            self._unsent.put_nowait(orjson.dumps(message))
        except asyncio.QueueFull:
            self.abort()

    def _answer(self, text: str | bytes) -> Json:
        try:
            call = orjson.loads(text)
        except ValueError:
            return _error_response(None, RpcError(PARSE_ERROR, "Parse error"))
        if not isinstance(call, dict) or call.get("jsonrpc") != "2.0":
            return _error_response(None, RpcError(INVALID_REQUEST, "Invalid request"))
        call_id = call.get("id")
        try:
            result = self._invoke_method(call.get("method"), call.get("params"))
        except RpcError as error:
            return _error_response(call_id, error)
        return {"jsonrpc": "2.0", "result": result, "id": call_id}

    def _invoke_method(self, method: Json, params: Json) -> Json:
        if self._faults.trigger(MethodRefusal, lambda fault: method in fault.methods) is not None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        if isinstance(method, str) and method in _KINDS:
            return self._subscribe(method, params)
        if method not in _UNSUBSCRIBE_METHODS:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        number = Params(params).get_integer(0, 2**64 - 1)
        subscription = self._forget(number)
        if subscription is None:
            raise RpcError(INVALID_PARAMS, "Invalid subscription id.")
        self._publisher.unsubscribe(subscription)
        return True

    def _forget(self, number: int) -> Subscription | None:
        key = self._keys.pop(number, None)
        return None if key is None else self._subscriptions.pop(key)

    def _subscribe(self, method: str, params: Json) -> int:
        key = method, orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
        known = self._subscriptions.get(key)
        if known is None:
            known = self._publisher.subscribe(_KINDS[method], Params(params), self)
            self._subscriptions[key] = known
            self._keys[known.number] = key
        return known.number


def _error_response(call_id: Json, error: RpcError) -> Json:
    content = {"code": error.code, "message": error.message}
    return {"jsonrpc": "2.0", "error": content, "id": call_id}
