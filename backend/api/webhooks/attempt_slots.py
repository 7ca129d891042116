"""How many attempts run side by side, so that receivers that hang cost their owner only.

The first attempt of a webhook needs no slot: whatever the receivers of others do, each webhook has
one under way. Nothing waits for a slot: without one, the next attempt starts when one has ended.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

OWNER_SLOTS_MAX: Final = 16
"""Most attempts of one owner beyond the first of each of its webhooks."""
SLOTS_MAX: Final = 128
"""Most attempts of one process beyond the first of each webhook."""


class AttemptSlots:
    """The attempts of a process beyond the first of each webhook."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, owner: str) -> bool:
        """Take a slot for an attempt; false if its owner or the process has none left."""
        if self._taken[owner] >= OWNER_SLOTS_MAX or self._taken.total() >= SLOTS_MAX:
            return False
        self._taken[owner] += 1
        return True

    def release(self, owner: str) -> None:
        """Give back a slot that was taken."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
