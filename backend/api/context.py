"""The API context: the services that every view works with."""

from __future__ import annotations

from dataclasses import dataclass

from backend.api.admission.api_keys import Keys
from backend.api.admission.control import Gate
from backend.api.delivery.feed_tail import Tail
from backend.api.delivery.send_buffer import Sockets
from backend.api.stats import Stats
from backend.engine import Front


@dataclass(frozen=True, slots=True)
class Api:
    """Everything that views work with."""

    front: Front
    keys: Keys
    gate: Gate
    tail: Tail
    sockets: Sockets
    stats: Stats
    document: str
    """The OpenAPI document."""
