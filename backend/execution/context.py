"""The dependencies of order execution, and the checkpoints at which failure tests stop it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Protocol

from backend.domain.amounts import Token
from backend.domain.backoff import LONGEST_MS, backoff_ms
from backend.domain.orders import OrderTerms
from backend.execution.submission import TransactionSubmitter
from backend.execution.trading.route_measurer import RouteMeasurer
from backend.execution.wallet.protocol import UncheckedFunds
from backend.execution.wallet.wallets import Wallets
from backend.routing.route import Route
from backend.store.journal import Journal


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of attempts of an order, and the backoff between them.

    ``outage_wait_s`` is how long one attempt waits while the node is unavailable, ``cool_down_ms``
    how long an order whose price could not be had waits at least before it is tried again.
    """

    attempts_max: int
    backoff_ms: int
    backoff_jitter: float
    outage_wait_s: float
    cool_down_ms: int = 1_000

    def compute_backoff_ms(self, failures: int, chance: float, *, is_bounded: bool) -> int:
        """The wait after the n-th failure; without a bound of attempts it stops growing."""
        return backoff_ms(
            failures,
            base_ms=self.backoff_ms,
            jitter=self.backoff_jitter,
            chance=chance,
            longest_ms=None if is_bounded else LONGEST_MS,
        )

    @property
    def wait_max_ms(self) -> int:
        """The longest wait for an attempt, in milliseconds."""
        jitter = self.backoff_jitter
        bounded = backoff_ms(self.attempts_max, base_ms=self.backoff_ms, jitter=jitter, chance=1)
        return max(bounded, round(LONGEST_MS * (1 + jitter)), self.cool_down_ms)


class OrderRouter(Protocol):
    """Chooses between the venues."""

    async def route(self, terms: OrderTerms) -> Route:
        """The best route to fill an order now. Raises ``Rejected`` or ``Transient``."""
        ...


class Checkpoint(StrEnum):
    """Points of an execution at which a crash leaves a different state behind."""

    CLAIMED = "claimed"
    """By a commit of its own, or with its route and its transaction."""
    QUOTED = "quoted"
    STORED = "stored"
    """The signed transaction is stored, but not sent."""
    SENT = "sent"
    """The transaction was sent, and its outcome is not stored."""
    SETTLED = "settled"
    """The transaction has landed, and its outcome is not stored."""


def _ignore_checkpoint(point: Checkpoint) -> None:
    """Do nothing."""


def _prefetch_nothing(token_in: Token, token_out: Token) -> None:
    """Do nothing: the pools are read when the order is routed."""


def _build_unchecked() -> Wallets:
    return Wallets([UncheckedFunds()])


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The dependencies of order execution.

    ``on_checkpoint`` is called at each checkpoint, and may end the process. ``prefetch`` begins to
    read the pools of two tokens, ``measurer`` measures routes for limits.
    """

    journal: Journal
    router: OrderRouter
    submitter: TransactionSubmitter
    policy: RetryPolicy
    random: Random
    on_checkpoint: Callable[[Checkpoint], None] = _ignore_checkpoint
    wallets: Wallets = field(default_factory=_build_unchecked)
    prefetch: Callable[[Token, Token], None] = _prefetch_nothing
    measurer: RouteMeasurer = field(default_factory=RouteMeasurer)


def build_crash_trigger(crash_at: str) -> Callable[[str], None]:
    """A callback that ends this process by SIGKILL at the n-th hit of a point with a name."""
    name, _, hits = crash_at.partition(":")
    hits_left = int(hits or 0)

    def on_point(point: str) -> None:
        nonlocal hits_left
        if point == name:
            hits_left -= 1
            if hits_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return on_point
