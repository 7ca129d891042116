"""Times as text: ISO 8601 with a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import orjson

TIME_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
)
"""A time with its zone."""


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
