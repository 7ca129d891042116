"""The largest JSON-RPC array of one method that a node takes, as far as its answers show.

It is looked for by bisection between the largest size that was taken and the smallest that was
refused. Once they meet, the refused size is tried again after a time that doubles with each
refusal: nodes, and the proxies before them, change. Time comes in as an argument.
"""

from __future__ import annotations

from typing import Final

TRIAL_WAIT_MIN_S: Final = 2.0
TRIAL_WAIT_MAX_S: Final = 600.0
DOUBTS_MAX: Final = 2
"""So many arrays in a row without a proper answer count as one that was refused."""


class ArraySize:
    """The size of the arrays of one method."""

    def __init__(self, size_max: int) -> None:
        self.taken = size_max
        """The largest size that the node takes, as far as is known."""
        self._size_max = size_max
        self._refused: int | None = None
        self._is_searching = False
        self._doubts = 0
        self._trial_at = 0.0
        self._trial_wait_s = TRIAL_WAIT_MIN_S

    @property
    def is_largest(self) -> bool:
        """Whether the node takes the largest arrays that are ever sent."""
        return self.taken >= self._size_max and not self._doubts

    def choose(self, count: int, now: float) -> int:
        """The size of the next array, of ``count`` calls that wait: more than ``taken`` to try."""
        if count <= self.taken:
            return count
        if not self._is_searching and now < self._trial_at:
            return self.taken
        if self._refused is None:
            size = min(2 * self.taken, self._size_max)
        else:
            size = max((self.taken + self._refused) // 2, self.taken + 1)
        if self._is_searching and size == self._refused:
            self._is_searching = False  # not even two: it was refused just now
            return self.taken
        self._trial_at = now + self._trial_wait_s  # one trial at a time
        return min(size, count)

    def accept(self, size: int, now: float) -> None:
        """An array was answered."""
        self._doubts = 0
        if size <= self.taken:
            return
        self.taken = size
        self._is_searching = False
        self._trial_at, self._trial_wait_s = now, TRIAL_WAIT_MIN_S
        if self._refused is not None and size >= self._refused:
            self._refused = None

    def refuse(self, size: int, now: float) -> None:
        """An array was refused, though the node answers single calls."""
        self._doubts = 0
        if size <= self.taken:
            self._is_searching = True
            self.taken = 1
            self._refused = size
        else:
            self._refused = min(size, self._refused or size)
            if not self._is_searching:
                self._trial_wait_s = min(2 * self._trial_wait_s, TRIAL_WAIT_MAX_S)
        self._trial_at = now + self._trial_wait_s

    def doubt(self, size: int, now: float) -> None:
        """An array timed out, met a limit, or was answered in part: size may be the reason."""
        self._doubts += 1
        if self._doubts >= DOUBTS_MAX and size > 1:
            self._doubts = 0
            self._refused = min(size, self._refused or size)
            self.taken = min(self.taken, max(size // 2, 1))
            self._trial_at = now + self._trial_wait_s
