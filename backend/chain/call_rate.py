"""The rate at which one kind of calls may go to a node: configured, learned from refusals, or both.

A refusal pauses the calls and halves the rate that led to it; without further refusals the rate
rises again by a constant amount per second, until it limits nothing (additive increase,
multiplicative decrease). Calls are spaced evenly: a burst would be refused by a node that counts in
short windows. Time comes in as an argument, in seconds of a monotonic clock.
"""

from __future__ import annotations

from typing import Final

PAUSE_MIN_S: Final = 0.25
"""The pause after a first refusal that asks for none; it doubles with each further one."""
UNASKED_PAUSE_MAX_S: Final = 4.0
"""The longest pause after a refusal that asks for none."""
PAUSE_MAX_S: Final = 60.0
"""The longest pause, whatever the node asks for: a transaction lives about as long."""
RATE_MIN: Final = 4.0
"""The lowest learned rate, in calls per second: a limited node still lands transactions."""
RECOVERY_S: Final = 40.0
"""The time in which a halved rate rises by the rate that was refused."""
REFUSED_RATE_MIN: Final = 10.0
"""A refused rate counts as this at least: a short refusal of few calls is forgotten soon."""
WINDOW_S: Final = 10.0
"""Calls are counted in windows of this length, to know the rate that led to a refusal."""
_ELAPSED_MIN_S: Final = 1.0
_DOUBLINGS_MAX: Final = 10


class CallRate:
    """One kind of calls to a node: all of them, or those of one method."""

    __slots__ = (
        "_calls",
        "_calls_before",
        "_configured",
        "_learned",
        "_learned_at",
        "_next_at",
        "_paused_until",
        "_refusals",
        "_refused_at",
        "_refused_rate",
        "_window_at",
        "_window_before_at",
    )

    def __init__(self, configured: float, now: float) -> None:
        """``configured`` is the highest rate in calls per second; 0 means no limit."""
        self._configured = configured
        self._learned = 0.0
        self._learned_at = self._window_at = self._window_before_at = now
        self._refused_rate = 0.0
        self._refused_at = self._paused_until = self._next_at = float("-inf")
        self._refusals = self._calls = self._calls_before = 0

    def count(self, calls: int, now: float) -> None:
        """Count calls that are sent now."""
        age_s = now - self._window_at
        if age_s >= WINDOW_S:
            is_recent = age_s < 2 * WINDOW_S
            self._calls_before = self._calls if is_recent else 0
            self._window_before_at = self._window_at if is_recent else now
            self._calls, self._window_at = 0, now
        self._calls += calls

    def get_limit(self, now: float) -> float:
        """The highest rate now, in calls per second; 0 means no limit."""
        if self._learned:
            recovered = self._refused_rate * (now - self._learned_at) / RECOVERY_S
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
        """Take half of the rate that led here, or what the node serves in that time and the pause.

        A node that counts in windows takes no more until the pause ends: so many calls in both
        together are what it can be expected to take in the long run.
        """
        calls = self._calls + self._calls_before
        elapsed_s = max(now - self._window_before_at, _ELAPSED_MIN_S)
        limit = self.get_limit(now)
        rate = min(calls / elapsed_s, limit) if limit else calls / elapsed_s
        self._refused_rate = max(rate, REFUSED_RATE_MIN)
        self._learned = max(min(rate / 2, calls / (elapsed_s + pause_s)), RATE_MIN)
        self._learned_at = now
