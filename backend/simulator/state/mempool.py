"""Transactions that were accepted and have not landed. They live in memory only, as on a real
node: whoever sent one sends it again until it lands or its blockhash is too old."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from backend.simulator.wire.transaction_parser import Parsed

PENDING_MAX: Final = 200_000


class Mempool:
    """Transactions by the chain time at which they land, each signature once."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Parsed]] = []
        self._signatures: set[str] = set()
        self._arrived = 0

    def __len__(self) -> int:
        return len(self._heap)

    def __contains__(self, signature: str) -> bool:
        return signature in self._signatures

    def add(self, parsed: Parsed, due: float) -> bool:
        """Keep a transaction until ``due``; ``False`` if the pool is full."""
        if len(self._heap) >= PENDING_MAX:
            return False
        self._arrived += 1
        self._signatures.add(parsed.signature)
        heappush(self._heap, (due, self._arrived, parsed))
        return True

    def next_due(self) -> float | None:
        """When the next one lands."""
        return self._heap[0][0] if self._heap else None

    def take(self, time: float, most: int) -> list[Parsed]:
        """Those that land by ``time``, in order."""
        taken: list[Parsed] = []
        while self._heap and len(taken) < most and self._heap[0][0] <= time:
            parsed = heappop(self._heap)[2]
            self._signatures.discard(parsed.signature)
            taken.append(parsed)
        return taken
