"""The rate at which one kind of calls may go to a node: configured, learned from refusals, or both.

A refusal pauses the calls and lowers their rate to a part of what led to it; without further
refusals the rate rises again by a constant amount per second, until it limits nothing (additive
increase, multiplicative decrease). A node that refuses when it has had only few calls is busy,
whatever their rate: then only the pause counts. Calls are spaced evenly: a burst would be refused
by a node that counts in short windows. Time comes in as an argument, in seconds of a monotonic
clock.
"""

from __future__ import annotations

from math import ceil
from typing import Final

PAUSE_MIN_S: Final = 0.25
"""The pause after a first refusal that asks for none; it doubles with each further one."""
UNASKED_PAUSE_MAX_S: Final = 4.0
"""The longest pause after a refusal that asks for none."""
PAUSE_MAX_S: Final = 60.0
"""The longest pause, whatever the node asks for: a transaction lives about as long."""
DECREASE: Final = 0.7
"""The part of the refused rate that is used from then on."""
RATE_MIN: Final = 5.0
"""The lowest learned rate, in calls per second: a limited node still lands transactions."""
RECOVERY_PAUSES: Final = 10
"""So many pauses long is the time in which a lowered rate rises by the rate that was refused: the
more a refusal costs, the more rarely it is risked."""
RECOVERY_MIN_S: Final = 10.0
RECOVERY_MAX_S: Final = 90.0
REFUSED_RATE_MIN: Final = 20.0
"""A refused rate counts as this at least: a short refusal of few calls is forgotten soon."""
SECONDS_COUNTED: Final = 10
"""Calls are counted for so many seconds, to know the rate that led to a refusal."""
_BUSY_SHARE: Final = 0.5
_FEW_CALLS: Final = 8
_FEW_CALLS_PER_S: Final = 2
_DOUBLINGS_MAX: Final = 10


class CallRate:
    """One kind of calls to a node: all of them, or those of one method."""

    __slots__ = (
        "_calls_since_refusal",
        "_configured",
        "_counts",
        "_learned",
        "_learned_at",
        "_next_at",
        "_paused_until",
        "_recovery_s",
        "_refusals",
        "_refused_at",
        "_refused_rate",
        "_second",
    )

    def __init__(self, configured: float, now: float) -> None:
        """``configured`` is the highest rate in calls per second; 0 means no limit."""
        self._configured = configured
        self._learned = 0.0
        self._learned_at = now
        self._refused_rate = 0.0
        self._recovery_s = RECOVERY_MIN_S
        self._refused_at = self._paused_until = self._next_at = float("-inf")
        self._refusals = self._calls_since_refusal = 0
        self._second = int(now)
        self._counts = [0] * (SECONDS_COUNTED + 1)

    def count(self, calls: int, now: float) -> None:
        """Count calls that are sent now."""
        second = int(now)
        if second != self._second:
            self._turn_to(second)
        self._counts[second % len(self._counts)] += calls
        self._calls_since_refusal += calls

    def get_limit(self, now: float) -> float:
        """The highest rate now, in calls per second; 0 means no limit."""
        if self._learned:
            recovered = self._refused_rate * (now - self._learned_at) / self._recovery_s
            if self._learned + recovered >= 2 * self._refused_rate:
                self._learned = 0.0
            else:
                learned = self._learned + recovered
                return min(learned, self._configured) if self._configured else learned
        return self._configured

    def get_pause_s(self, now: float) -> float:
        """The rest of the pause that the node asked for."""
        return max(self._paused_until - now, 0.0)

    def get_wait_s(self, now: float) -> float:
        """The time until the next call may start, behind those that are waiting."""
        return max(self._paused_until - now, self._next_at - now, 0.0)

    def is_limiting(self, now: float) -> bool:
        """Whether any call might have to wait."""
        return self.get_limit(now) > 0 or self._paused_until > now

    def reserve(self, calls: int, start_at: float, now: float) -> None:
        """Reserve the time of calls that start together at ``start_at``."""
        limit = self.get_limit(now)
        if limit:
            self._next_at = max(self._next_at, start_at) + calls / limit

    def pause(self, wait_s: float, now: float) -> None:
        """Pause all calls; a longer pause that is running stays."""
        self._paused_until = max(self._paused_until, now + min(wait_s, PAUSE_MAX_S))

    def refuse(
        self, wait_s: float | None, sent_at: float, now: float, *, is_of_rate: bool = True
    ) -> bool:
        """The node refused, for its load, a call that was sent at ``sent_at``.

        Refusals of calls that were on their way at the same time are one sign, not many: returns
        whether this is a new one. One that says nothing of the rate of calls only pauses them.
        """
        if sent_at < self._refused_at:
            self.pause(wait_s or 0, now)
            return False
        if now - self._refused_at > 2 * PAUSE_MAX_S:
            self._refusals = 0
        pause_s = PAUSE_MIN_S * 2 ** min(self._refusals, _DOUBLINGS_MAX)
        self.pause(wait_s or min(pause_s, UNASKED_PAUSE_MAX_S), now)
        self._refusals += 1
        self._refused_at = now
        if is_of_rate:
            self._learn(self.get_pause_s(now), now)
        return True

    def succeed(self, sent_at: float) -> None:
        """A call that was sent at ``sent_at`` was not refused."""
        if sent_at >= self._refused_at:
            self._refusals = 0

    def _learn(self, pause_s: float, now: float) -> None:
        """Lower the rate to a part of that of the last seconds: as many as the pause asked for.

        A node that asks for a long pause counts in long windows, and one for a short in short ones.
        """
        self._turn_to(int(now))
        seconds = min(max(ceil(pause_s), 1), SECONDS_COUNTED)
        calls = sum(self._counts[(int(now) - n) % len(self._counts)] for n in range(seconds + 1))
        calls_since_refusal, self._calls_since_refusal = self._calls_since_refusal, 0
        limit = self.get_limit(now)
        usual = _BUSY_SHARE * seconds * limit
        if calls_since_refusal < max(usual, _FEW_CALLS + _FEW_CALLS_PER_S * seconds):
            return
        rate = calls / (seconds + now % 1)
        self._refused_rate = max(rate, REFUSED_RATE_MIN)
        self._recovery_s = min(max(RECOVERY_PAUSES * pause_s, RECOVERY_MIN_S), RECOVERY_MAX_S)
        self._learned = max(DECREASE * (min(rate, limit) if limit else rate), RATE_MIN)
        self._learned_at = now

    def _turn_to(self, second: int) -> None:
        for passed in range(self._second + 1, min(second, self._second + len(self._counts)) + 1):
            self._counts[passed % len(self._counts)] = 0
        self._second = second
