"""What became of recent signatures: the status cache, as real nodes have one.

It reaches back as far as a blockhash is valid, which is what makes a second execution of the
same signature impossible; older statuses are found in the ledger by whoever asks for a search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, TypeAlias

from backend.simulator.options import BLOCKHASH_BLOCKS
from backend.simulator.programs.runtime import Err

Status: TypeAlias = tuple[int, Err | None]
"""The slot that a signature landed in, and its error."""

SLOTS_KEPT: Final = 2 * BLOCKHASH_BLOCKS


class History:
    """Signatures of the last slots."""

    def __init__(self, statuses: Iterable[tuple[str, int, Err | None]]) -> None:
        self._statuses: dict[str, Status] = {}
        self._order: deque[tuple[int, str]] = deque()
        for signature, slot, err in statuses:
            self.add(signature, slot, err)

    def __contains__(self, signature: str) -> bool:
        return signature in self._statuses

    def get(self, signature: str) -> Status | None:
        """Where a signature landed, if that was lately."""
        return self._statuses.get(signature)

    def add(self, signature: str, slot: int, err: Err | None) -> None:
        """A signature landed; those that are too old to matter are dropped."""
        self._statuses[signature] = (slot, err)
        self._order.append((slot, signature))
        while self._order[0][0] < slot - SLOTS_KEPT:
            self._statuses.pop(self._order.popleft()[1], None)

    def forget(self, slot: int) -> None:
        """Nothing landed from ``slot`` on."""
        while self._order and self._order[-1][0] >= slot:
            self._statuses.pop(self._order.pop()[1], None)
