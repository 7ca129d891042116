"""The limiter of the calls to one node: what is configured, and what the node's refusals teach.

A call gets its time at once, and sleeps until then; one that would sleep for too long fails, so
that its caller can wait without holding anything. How long is too long depends on the call: status
polls give up soonest and sends last, so that a node with little room for calls still lands
transactions. A kind of calls that got no time for ``STARVED_S`` takes the next, whatever it is.

While nothing limits, ``is_engaged`` is false and no call waits or reserves anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic
from typing import Final

from backend.chain.rpc.call_rate import CallRate
from backend.chain.rpc.errors import ReadFailure
from backend.chain.rpc.load_signals import LoadSignal
from backend.runtime import observe_node

STARVED_S: Final = 1.0
_ALL_METHODS: Final = "all"


class CallPostponed(ReadFailure):
    """A call was not sent, since it would have had to wait for too long."""


class _Urgency(IntEnum):
    POLL = 0
    READ = 1
    SEND = 2


_URGENCIES: Final = {
    "sendTransaction": _Urgency.SEND,
    "getSignatureStatuses": _Urgency.POLL,
    "getEpochInfo": _Urgency.POLL,
}
_WAIT_SHARES: Final = {_Urgency.POLL: 0.25, _Urgency.READ: 0.75, _Urgency.SEND: 1.0}
"""The part of the longest wait after which each gives up."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Configured limits in calls per second, of all calls and of those of one method.

    0 means no limit. The calls of an array count each.
    """

    per_s: float = 0.0
    per_s_of_method: float = 0.0


class CallLimiter:
    """Limits the calls to one node. ``wait_max_s`` is how long a call may wait here."""

    def __init__(
        self,
        limits: CallLimits,
        *,
        wait_max_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._limits = limits
        self._wait_max_s = wait_max_s
        self._clock = clock
        self._node = CallRate(limits.per_s, clock())
        self._methods: dict[str, CallRate] = {}
        self._is_configured = limits.per_s > 0 or limits.per_s_of_method > 0
        self._starved_since: dict[_Urgency, float] = {}
        self.is_engaged = self._is_configured
        """Whether calls have to ``acquire`` their time."""

    def count(self, method: str, calls: int, now: float) -> None:
        """Count calls that are sent now."""
        self._node.count(calls, now)
        self._get_rate(method).count(calls, now)

    def get_calls_max(self, method: str) -> int:
        """The most calls to send at once: as many as one second has room for."""
        now = self._clock()
        limits = (self._node.get_limit(now), self._get_rate(method).get_limit(now))
        return max(int(min((limit for limit in limits if limit), default=1_000)), 1)

    async def acquire(self, method: str, calls: int, waited_s: float = 0.0) -> float:
        """Wait until the calls may be sent. Returns the seconds waited, ``waited_s`` included.

        Raises ``CallPostponed`` (``rate_limited``) at once if that would take too long.
        """
        rate = self._get_rate(method)
        while True:
            now = self._clock()
            wait_s = max(self._node.get_wait_s(now), rate.get_wait_s(now))
            if wait_s > 0 and self._is_too_long(method, waited_s, wait_s, now):
                observe_node.rpc_call_postponed(method)
                raise CallPostponed(
                    "rate_limited", f"the node limits calls: none for {wait_s:.3g} s", wait_s
                )
            self._starved_since.pop(_get_urgency(method), None)
            for each in (self._node, rate):
                each.reserve(calls, now + wait_s, now)
            self._disengage(now)
            if wait_s <= 0:
                return waited_s
            observe_node.rpc_call_delayed(method)
            await asyncio.sleep(wait_s)
            waited_s += wait_s
            now = self._clock()
            if max(self._node.get_pause_s(now), rate.get_pause_s(now)) <= 0:
                return waited_s

    def refuse(
        self, method: str, signal: LoadSignal, sent_at: float, waited_s: float
    ) -> tuple[float, bool]:
        """The node refused a call for its load.

        Returns the pause until the next one, and whether this one may wait for it here.
        """
        now = self._clock()
        rate = self._get_rate(method) if signal.is_of_method else self._node
        is_new = rate.refuse(signal.wait_s, sent_at, now, is_of_rate=signal.is_of_rate)
        self.is_engaged = True
        pause_s = rate.get_pause_s(now)
        if is_new:
            limited = method if signal.is_of_method else _ALL_METHODS
            observe_node.node_overloaded(limited, pause_s, rate.get_limit(now))
        return pause_s, not self._is_too_long(method, waited_s, pause_s, now)

    def pause(self, method: str, signal: LoadSignal) -> None:
        """The node says that a quota is used up: the next call would be refused."""
        rate = self._get_rate(method) if signal.is_of_method else self._node
        rate.pause(signal.wait_s or 0, self._clock())
        self.is_engaged = True

    def succeed(self, method: str, sent_at: float) -> None:
        """A call was not refused."""
        self._node.succeed(sent_at)
        self._get_rate(method).succeed(sent_at)

    def _is_too_long(self, method: str, waited_s: float, wait_s: float, now: float) -> bool:
        urgency = _get_urgency(method)
        longest_s = _WAIT_SHARES[urgency] * self._wait_max_s
        if waited_s + wait_s <= longest_s:
            return False
        rates = (self._node, self._get_rate(method))
        if any(rate.get_pause_s(now) + waited_s > longest_s for rate in rates):
            return True  # nobody is sent before the pause ends
        starved_since = self._starved_since.setdefault(urgency, now)
        return now - starved_since < STARVED_S

    def _disengage(self, now: float) -> None:
        limit = self._node.get_limit(now)
        observe_node.rpc_limit_changed(limit)
        if not self._is_configured:
            rates = (self._node, *self._methods.values())
            self.is_engaged = any(rate.is_limiting(now) for rate in rates)

    def _get_rate(self, method: str) -> CallRate:
        rate = self._methods.get(method)
        if rate is None:
            rate = self._methods[method] = CallRate(self._limits.per_s_of_method, self._clock())
        return rate


def _get_urgency(method: str) -> _Urgency:
    return _URGENCIES.get(method, _Urgency.READ)
