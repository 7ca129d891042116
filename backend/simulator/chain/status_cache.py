"""The status cache: slot and error of recent signatures, as on a real node.

It covers more than the lifetime of a blockhash, which makes a second execution of the same
signature impossible. Older statuses are in the ledger and returned on request only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, TypeAlias

from backend.simulator.options import BLOCKHASH_BLOCKS
from backend.simulator.programs.runtime import TransactionError

SignatureStatus: TypeAlias = tuple[int, TransactionError | None]
"""The slot in which a signature landed, and its error."""

CACHE_SLOTS: Final = 2 * BLOCKHASH_BLOCKS


class StatusCache:
    """The statuses of the signatures that landed in the last ``CACHE_SLOTS`` slots."""

    def __init__(self, statuses: Iterable[tuple[str, int, TransactionError | None]]) -> None:
        self._statuses: dict[str, SignatureStatus] = {}
        self._order: deque[tuple[int, str]] = deque()
        for signature, slot, err in statuses:
            self.add(signature, slot, err)

    def __contains__(self, signature: str) -> bool:
        return signature in self._statuses

    def get(self, signature: str) -> SignatureStatus | None:
        """The status of a signature, if it landed recently."""
        return self._statuses.get(signature)

    def add(self, signature: str, slot: int, err: TransactionError | None) -> None:
        """Add a landed signature and evict those that are too old."""
        self._statuses[signature] = (slot, err)
        self._order.append((slot, signature))
        while self._order[0][0] < slot - CACHE_SLOTS:
            self._statuses.pop(self._order.popleft()[1], None)

    def roll_back(self, slot: int) -> None:
        """Remove the signatures that landed from ``slot`` on."""
        while self._order and self._order[-1][0] >= slot:
            self._statuses.pop(self._order.pop()[1], None)
