"""Tickets: how a browser, which cannot give a WebSocket headers, opens one without its key.

A ticket stands for its owner's key or token once, for 30 seconds, and as long as that is valid. It
travels in the address of the socket, where proxies and logs see it: by then it is used up. Redis
holds tickets, for all API processes; it knows their hashes only.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from math import inf
from time import monotonic
from typing import Any, Final

import orjson
from hypercorn.typing import WebsocketScope
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.refusals import UNAUTHORIZED_HEADERS
from backend.api.wire.http import IS_REPEATED
from backend.api.wire.problems import FieldError, Problem, invalid_fields, retry_later
from backend.domain.access.principals import Principal
from backend.domain.access.scopes import format_scopes, parse_scopes
from backend.runtime import observe_queue
from backend.runtime.redis.errors import drop_connections_if_moved

TICKET_S: Final = 30
"""How long a ticket may be used, in seconds."""
REDIS_TIMEOUT_S: Final = 2.0
_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_KEY_PARAMETERS: Final = frozenset(
    {"access_token", "api_key", "api-key", "apikey", "authorization", "key", "token", "x-api-key"}
)
"""What clients name a key in an address, in lower case."""


class Tickets:
    """Issues tickets and redeems each once, for all processes with this ``key_prefix``."""

    def __init__(self, redis: Redis, key_prefix: str, *, now: Callable[[], datetime]) -> None:
        self._redis = redis
        self._key_prefix = key_prefix
        self._now = now

    async def issue(self, principal: Principal) -> str:
        """A new ticket of a principal. Raises ``Problem`` (503) while Redis is away."""
        ticket = secrets.token_urlsafe(32)
        value = self._encode(principal)
        await self._execute("SET", self._build_key(ticket), value, "EX", TICKET_S)
        return ticket

    async def redeem(
        self, ticket: str, renew: Callable[[Principal], Principal | None]
    ) -> Principal:
        """The principal of a ticket, as ``renew`` says it is by now; the ticket is used up.

        Raises ``Problem``: 401, 503.
        """
        value = None
        if _TICKET.fullmatch(ticket):
            value = await self._execute("GETDEL", self._build_key(ticket))
        principal = None if value is None else self._decode(value)
        if principal is None or (renewed := renew(principal)) is None:
            raise Problem(
                401,
                "invalid_ticket",
                f"this ticket is not known: each opens one socket, within {TICKET_S} s; get"
                " another one with POST /api/tickets",
                headers=UNAUTHORIZED_HEADERS,
            )
        return renewed

    def _encode(self, principal: Principal) -> bytes:
        remaining_s = principal.expires_at_s - monotonic()
        expires_at = None if remaining_s == inf else self._now().timestamp() + remaining_s
        scopes = format_scopes(principal.scopes)
        return orjson.dumps(
            [principal.owner, scopes, principal.key_id, principal.is_limited, expires_at]
        )

    def _decode(self, value: bytes) -> Principal | None:
        try:
            owner, scopes, key_id, is_limited, expires_at = orjson.loads(value)
            remaining_s = inf if expires_at is None else expires_at - self._now().timestamp()
            return Principal(
                owner,
                parse_scopes(scopes),
                key_id,
                is_limited=is_limited,
                expires_at_s=monotonic() + remaining_s,
            )
        except (ValueError, TypeError):  # of another version of this program
            return None

    def _build_key(self, ticket: str) -> str:
        return f"{self._key_prefix}{sha256(ticket.encode()).hexdigest()}"

    async def _execute(self, *command: str | int | bytes) -> Any:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            observe_queue.redis_unavailable("ticket", error)
            await drop_connections_if_moved(self._redis.connection_pool, error)
            detail = "tickets need Redis, which does not answer: try again, or send the key"
            raise retry_later("tickets_unavailable", detail) from None


async def authenticate_socket(
    authenticator: Authenticator,
    tickets: Tickets,
    headers: Mapping[str, str],
    query: Mapping[str, list[str]],
    scope: WebsocketScope,
) -> Principal:
    """The principal of a WebSocket, by ``ticket`` in its address or else by its headers.

    Raises ``Problem``: 401, 400, and 503 if the ticket cannot be looked up.
    """
    refuse_key_in_address(query)
    texts: Sequence[str] = query.get("ticket", ())
    if len(texts) > 1:
        raise invalid_fields([FieldError("ticket", "invalid_parameter", IS_REPEATED)], 400)
    if texts:
        return await tickets.redeem(texts[0], authenticator.renew)
    return await authenticator.authenticate(headers, scope)


def refuse_key_in_address(query: Mapping[str, list[str]]) -> None:
    """Raises ``Problem`` (401) if the address has a parameter that is meant to be a key."""
    for name in query:
        if name.lower() in _KEY_PARAMETERS:
            raise Problem(
                401,
                "key_in_address",
                f"{name}: a key in an address ends in logs: send Authorization: Bearer <key> or"
                " X-API-Key: <key>; for a WebSocket of a browser get a ticket with"
                " POST /api/tickets and open it with ?ticket=<ticket>",
                headers=UNAUTHORIZED_HEADERS,
            )
