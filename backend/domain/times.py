"""Times as text, ISO 8601 with a zone, and in the ids of orders."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson

TIME_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
)
"""A time with its zone."""
_TIMED_VERSION: Final = 7
_RANDOM_BITS: Final = 80


def parse_time(text: str) -> datetime:
    """A time with its zone, in UTC. Raises ``ValueError`` (reason)."""
    if not re.fullmatch(TIME_PATTERN, text):
        raise ValueError("must be a time with its zone, such as 2026-11-21T16:09:00Z")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text} is no time of the calendar") from None


def format_time(at: datetime) -> str:
    """A time in UTC with microseconds."""
    utc = at.astimezone(UTC)
    if not utc.microsecond:  # orjson would leave out the fraction
        return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return orjson.dumps(utc, option=orjson.OPT_UTC_Z)[1:-1].decode()  # an eighth of the time


def read_creation_ms(order_id: UUID) -> int | None:
    """The milliseconds since 1970 at which an id was made (UUIDv7), by the clock of its process.

    ``None`` for one that is derived from the order that placed it: of a slice or a bracket.
    """
    if order_id.version != _TIMED_VERSION:
        return None
    return order_id.int >> _RANDOM_BITS
