"""What driving an order takes, and the points of a drive that failure tests stop at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

from backend.domain.orders import Terms
from backend.execution.submission import Submission
from backend.routing.route import Route
from backend.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Policy:
    """How often an order is tried, and how long it waits in between."""

    attempts_max: int
    backoff_ms: int
    backoff_jitter: float


class Router(Protocol):
    """Who chooses between the venues."""

    async def route(self, terms: Terms) -> Route:
        """The best way to fill an order now. Raises ``Rejected`` or ``Transient``."""
        ...


class Point(StrEnum):
    """Points of a drive at which the worlds inside and outside of the process differ."""

    CLAIMED = "claimed"
    QUOTED = "quoted"
    STORED = "stored"
    """The intent is stored, nothing was sent."""
    SENT = "sent"
    """It was sent, and nobody has noted an answer."""
    SETTLED = "settled"
    """The chain has executed it, and the order does not know."""


def _pass(point: Point) -> None:
    """Go on."""


@dataclass(frozen=True, slots=True)
class Means:
    """What driving an order takes. ``reached`` is told of each point, and may end the process."""

    journal: Journal
    router: Router
    submission: Submission
    policy: Policy
    random: Random
    reached: Callable[[Point], None] = _pass
