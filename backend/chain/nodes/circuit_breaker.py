"""A circuit breaker: what has failed several times in a row is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FAILURES_MAX: Final = 3
"""So many failures in a row open it."""
OPEN_S: Final = 1.0
"""How long it is open at first; each further failure doubles that."""
OPEN_S_MAX: Final = 30.0


class CircuitBreaker:
    """Closed while calls succeed; open after failures, until one succeeds. ``now`` is in seconds.

    While it is open, a probe may be made from time to time: see ``may_probe``.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures = 0
        self._open_s = OPEN_S
        self._probe_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether calls are to be made elsewhere."""
        return self._failures >= FAILURES_MAX

    @property
    def may_probe(self) -> bool:
        """Whether it is time to find out by one call whether calls succeed again."""
        return not self.is_open or self._now() >= self._probe_at

    def record_success(self) -> None:
        """A call has succeeded."""
        self._failures, self._open_s = 0, OPEN_S

    def record_failure(self) -> None:
        """A call has failed, for no reason of its own."""
        self._failures += 1
        if self.is_open:
            self._probe_at = self._now() + self._open_s
            self._open_s = min(2 * self._open_s, OPEN_S_MAX)
