"""The session of one open socket: the server sends, receives one first message, and closes.

A disconnect of the client arrives as ``CancelledError``, which ends the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backend.api.admission.refusals import require_scope
from backend.api.context import ApiContext
from backend.api.delivery.client_socket import ClientSocket
from backend.api.delivery.open_sockets import (
    COMPLETED,
    FAILED,
    TRY_AGAIN_LATER,
    CloseReason,
    CloseRequest,
    SocketCaller,
)
from backend.api.wire.http import Request
from backend.domain.access.scopes import Scope
from backend.domain.errors import EngineError
from backend.runtime import observe

CLOSE_TIMEOUT_S = 5.0
"""How long a reader may take to receive the final message and the close frame."""

FirstMessage = asyncio.Future[str | bytes]
SendMessages = Callable[[FirstMessage], Awaitable[None]]


def find_socket_caller(api: ApiContext, request: Request, scope: Scope) -> SocketCaller:
    """The caller of a socket that needs a scope. Raises ``Problem`` (403) without that scope."""
    require_scope(request.principal, (scope,))
    address = api.public_address.find_client_address(request)
    return SocketCaller(request.principal, scope, address)


async def run_session(
    socket: ClientSocket,
    close_request: CloseRequest,
    send_messages: SendMessages,
    build_final_message: Callable[[CloseReason], str | None] = lambda _: None,
) -> None:
    """Run ``send_messages`` until it returns or the socket is to be closed, then close it.

    ``send_messages`` gets the future of the client's first message; later messages are dropped.
    """
    first_message: FirstMessage = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        sender = tasks.create_task(_run_sender(send_messages, first_message, close_request))
        receiver = tasks.create_task(_receive_messages(socket, first_message))
        reason = await close_request.wait()
        sender.cancel()
        receiver.cancel()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            final_message = build_final_message(reason)
            if final_message is not None:
                await socket.send(final_message)
            await socket.close(reason.code, reason.reason)
    except TimeoutError:
        pass  # the client reads nothing at all: the connection is dropped without a close frame


async def _run_sender(
    send_messages: SendMessages, first_message: FirstMessage, close_request: CloseRequest
) -> None:
    try:
        await send_messages(first_message)
        close_request.set(COMPLETED)
    except EngineError:  # logged where it was raised
        close_request.set(TRY_AGAIN_LATER)
    except Exception as error:  # noqa: BLE001 - the edge: the socket is closed, the log has the error
        observe.request_failed("websocket", error)
        close_request.set(FAILED)


async def _receive_messages(socket: ClientSocket, first_message: FirstMessage) -> None:
    while True:
        message = await socket.receive()
        if not first_message.done():
            first_message.set_result(message)
