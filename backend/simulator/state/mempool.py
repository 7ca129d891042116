"""The mempool: transactions that were accepted and have not landed.

It is in memory only, as on a real node: senders retry until a transaction lands or its blockhash
expires.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from backend.simulator.wire.transaction_parser import ParsedTransaction

PENDING_MAX: Final = 200_000


class Mempool:
    """Pending transactions by the chain time at which they are due, each signature once."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ParsedTransaction]] = []
        self._signatures: set[str] = set()
        self._arrival_number = 0

    def __len__(self) -> int:
        return len(self._heap)

    def __contains__(self, signature: str) -> bool:
        return signature in self._signatures

    def add(self, transaction: ParsedTransaction, due_at: float) -> bool:
        """Add a transaction that is due at ``due_at``; ``False`` if the mempool is full."""
        if len(self._heap) >= PENDING_MAX:
            return False
        self._arrival_number += 1
        self._signatures.add(transaction.signature)
        heappush(self._heap, (due_at, self._arrival_number, transaction))
        return True

    def next_due_time(self) -> float | None:
        """When the next transaction is due."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, time: float, count_max: int) -> list[ParsedTransaction]:
        """Remove and return the transactions due by ``time``, in order."""
        due: list[ParsedTransaction] = []
        while self._heap and len(due) < count_max and self._heap[0][0] <= time:
            transaction = heappop(self._heap)[2]
            self._signatures.discard(transaction.signature)
            due.append(transaction)
        return due
