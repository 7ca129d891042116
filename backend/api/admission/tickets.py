"""Tickets: how a browser, which cannot give a WebSocket headers, opens one without its key.

A ticket stands for its owner once, and for 30 seconds. It travels in the address of the socket,
where proxies and logs see it: by then it is used up. Redis holds tickets, for all API processes;
it knows their hashes only.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.api.admission.api_keys import UNAUTHORIZED_HEADERS, ApiKeys
from backend.api.wire.http import IS_REPEATED
from backend.api.wire.problems import FieldError, Problem, invalid_fields, retry_later
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

    def __init__(self, redis: Redis, key_prefix: str) -> None:
        self._redis = redis
        self._key_prefix = key_prefix

    async def issue(self, owner: str) -> str:
        """A new ticket of an owner. Raises ``Problem`` (503) while Redis is away."""
        ticket = secrets.token_urlsafe(32)
        await self._execute("SET", self._build_key(ticket), owner, "EX", TICKET_S)
        return ticket

    async def redeem(self, ticket: str) -> str:
        """The owner of a ticket, which is used up. Raises ``Problem``: 401, 503."""
        owner = None
        if _TICKET.fullmatch(ticket):
            owner = await self._execute("GETDEL", self._build_key(ticket))
        if owner is None:
            raise Problem(
                401,
                "invalid_ticket",
                f"this ticket is not known: each opens one socket, within {TICKET_S} s; get"
                " another one with POST /api/tickets",
                headers=UNAUTHORIZED_HEADERS,
            )
        return owner.decode() if isinstance(owner, bytes) else str(owner)

    def _build_key(self, ticket: str) -> str:
        return f"{self._key_prefix}{sha256(ticket.encode()).hexdigest()}"

    async def _execute(self, *command: str | int) -> Any:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            observe_queue.redis_unavailable("ticket", error)
            await drop_connections_if_moved(self._redis.connection_pool, error)
            detail = "tickets need Redis, which does not answer: try again, or send the key"
            raise retry_later("tickets_unavailable", detail) from None


async def authenticate_socket(
    api_keys: ApiKeys, tickets: Tickets, headers: Mapping[str, str], query: Mapping[str, list[str]]
) -> str:
    """The owner of a WebSocket, by ``ticket`` in its address or else by its headers.

    Raises ``Problem``: 401, 400, and 503 if the ticket cannot be looked up.
    """
    refuse_key_in_address(query)
    texts: Sequence[str] = query.get("ticket", ())
    if len(texts) > 1:
        raise invalid_fields([FieldError("ticket", "invalid_parameter", IS_REPEATED)], 400)
    if texts:
        return await tickets.redeem(texts[0])
    return api_keys.authenticate(headers)


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
