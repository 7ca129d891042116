"""Authentication by the first message of a WebSocket, for clients that cannot send headers.

A client asks for it in the address (``?auth=message``), where no secret is. Until its message has
come, its connection is one of those that are closed when others need the room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from hypercorn.typing import WebsocketScope

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.refusals import refuse_credentials
from backend.api.wire.json import decode
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.domain.access.principals import Principal

AUTHENTICATION_TIMEOUT_S: Final = 10.0
PARAMETER: Final = "auth"
BY_MESSAGE: Final = "message"
_FIELD: Final = "authorization"
_EXAMPLE: Final = '{"authorization": "Bearer <key or token>"}'
_OTHER_CREDENTIALS: Final = ("authorization", "x-api-key", "x-signature")


def asks_for_message(query_string: bytes) -> bool:
    """Whether the client of a WebSocket will authenticate by its first message."""
    return f"{PARAMETER}={BY_MESSAGE}".encode() in query_string.split(b"&")


def require_no_other_credentials(
    headers: Mapping[str, str], query: Mapping[str, list[str]]
) -> None:
    """Raises ``Problem`` (400) if a socket's address or headers have credentials too."""
    if "ticket" in query or any(name in headers for name in _OTHER_CREDENTIALS):
        reason = "the first message has the key or token: send no other with the handshake"
        raise invalid_fields([FieldError(PARAMETER, "invalid_parameter", reason)], 400)


async def authenticate_by_message(
    authenticator: Authenticator,
    receive: Callable[[], Awaitable[str | bytes]],
    scope: WebsocketScope,
) -> Principal:
    """The principal of the key or token in the next message of a socket.

    Raises ``Problem``: 408 if none comes in time, 400, 401 and 503 as for a header.
    """
    try:
        async with asyncio.timeout(AUTHENTICATION_TIMEOUT_S):
            message = await receive()
    except TimeoutError:
        detail = f"no key or token was received within {AUTHENTICATION_TIMEOUT_S:g} s"
        raise Problem(408, "request_timeout", detail) from None
    fields = decode(message)
    if not isinstance(fields, dict) or fields.keys() != {_FIELD}:
        raise refuse_credentials(f"the first message must be {_EXAMPLE}, and nothing else")
    if not isinstance(fields[_FIELD], str):
        raise refuse_credentials(f"{_FIELD} must be text, as in {_EXAMPLE}")
    return await authenticator.authenticate({_FIELD: fields[_FIELD]}, scope)
