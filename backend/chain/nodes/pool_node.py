"""One node of several: its client, and what is known of its health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from time import monotonic
from typing import Final, TypeVar

from backend.chain.nodes.circuit_breaker import CircuitBreaker
from backend.chain.rpc.client import RpcClient
from backend.domain.errors import EngineError

Answer = TypeVar("Answer")

_FAULTS: Final = frozenset(
    {"node_unreachable", "node_timeout", "node_error", "node_unavailable", "node_forbidden"}
)
"""Codes of failures that say that a node is not well; a limit of calls is none of them."""
_LATENCY_WEIGHT: Final = 0.2
"""The weight of the newest call in the average latency."""
MISSES_MAX: Final = 20
"""A node that lacks so many transactions in a row which others have keeps no history."""


class Exclusion(StrEnum):
    """Why a node is left out."""

    UNREACHABLE = "unreachable"
    BEHIND = "behind"
    FORKED = "on another fork"
    FOREIGN = "of another cluster"


class PoolNode:
    """A node of a pool; ``name`` holds no secret."""

    def __init__(self, name: str, client: RpcClient) -> None:
        self.name: Final = name
        self.client: Final = client
        self.breaker: Final = CircuitBreaker(monotonic)
        self.latency_s = 0.0
        self.is_slow = False
        """Whether it has not answered the last call in time."""
        self.slot = 0
        """Its newest confirmed slot, as of the last check."""
        self.genesis: str | None = None
        self.exclusion: Exclusion | None = None
        """Why it is left out, besides that it cannot be reached."""
        self.misses = 0

    @property
    def reason(self) -> Exclusion | None:
        """Why nothing is asked of it, if nothing is."""
        return Exclusion.UNREACHABLE if self.breaker.is_open else self.exclusion

    @property
    def keeps_history(self) -> bool:
        """Whether that it lacks a transaction means anything."""
        return self.misses < MISSES_MAX

    async def call(self, call: Callable[[RpcClient], Awaitable[Answer]]) -> Answer:
        """Make a call, and take note of how it went. Raises what it raises."""
        started = monotonic()
        try:
            answer = await call(self.client)
        except EngineError as error:
            self.record_error(error)
            raise
        except asyncio.CancelledError:
            self.is_slow = True  # another node was faster, or nobody waits any longer
            raise
        self.breaker.record_success()
        seconds = monotonic() - started
        known = self.latency_s or seconds
        self.latency_s, self.is_slow = known + _LATENCY_WEIGHT * (seconds - known), False
        return answer

    def record_error(self, error: EngineError) -> None:
        """Take note of a failure, if it is one of the node."""
        if error.code in _FAULTS:
            self.breaker.record_failure()
