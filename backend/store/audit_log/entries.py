"""Entries of the audit log, which are appended in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from backend.store.database import DatabaseConnection

_APPEND: Final = "SELECT append_audit($1, $2, $3, $4, $5::jsonb)"
_LINE_BREAKS: Final = str.maketrans("\r\n", "  ")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: an owner or a user of this machine, from an address, by a request."""

    who: str
    address: str = ""
    request_id: str = ""


ENGINE: Final = Actor("engine")
"""What the engine does by itself."""


async def append_entry(
    connection: DatabaseConnection, actor: Actor, action: str, data: Mapping[str, object]
) -> None:
    """Append an entry in the transaction of a connection; others wait until that has ended.

    It must hold no order's row then, or what appends and what moves orders could wait for each
    other. Raises ``DATABASE_ERRORS``.
    """
    fields = [each.translate(_LINE_BREAKS) for each in (actor.who, actor.address, actor.request_id)]
    await connection.execute(_APPEND, *fields, action, orjson.dumps(data).decode())
