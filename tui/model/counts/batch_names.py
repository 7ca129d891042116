"""What a batch is called: what a client sent as one has one name, in however many requests."""

from __future__ import annotations

import re
from sys import intern
from typing import Final

_SENT_AS_ONE: Final = re.compile(r"((?:.+-)?[0-9a-f]{12,32}(?:-\w+)?)-\d+")
"""The client order ids of what was sent as one: a name in common, and a number."""


def name_batch(batch_id: str | None, client_order_id: str | None) -> str | None:
    """The name that the client gave; else the id of its request, or ``None`` without one."""
    match = _SENT_AS_ONE.fullmatch(client_order_id or "")
    return batch_id if match is None else intern(match[1])
