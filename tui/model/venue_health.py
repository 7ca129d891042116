"""Which venues do not quote: orders are routed on the other one, and people should know."""

from __future__ import annotations

from collections import deque
from typing import Final

_SAMPLES: Final = 20
_MISSES_MIN: Final = 3
_RECENT_MS: Final = 15_000
_PASSING: Final = frozenset({"venue_timeout", "rate_limited", "slot_not_available"})


class Health:
    """The last quotes of each venue: given or not, and when."""

    def __init__(self) -> None:
        self._asked: dict[str, deque[tuple[int, bool]]] = {}

    def quoted(self, dex: str, at_ms: int) -> None:
        """A venue gave a quote."""
        self._note(dex, at_ms, is_miss=False)

    def missed(self, dex: str, code: str, at_ms: int) -> None:
        """A venue gave none. That it has no such pool is no failure of it."""
        if code in _PASSING or code.startswith("node_"):
            self._note(dex, at_ms, is_miss=True)

    def failing(self, now_ms: int) -> list[str]:
        """The venues that failed most of the times they were asked lately."""
        return sorted(dex for dex, asked in self._asked.items() if _is_failing(asked, now_ms))

    def _note(self, dex: str, at_ms: int, *, is_miss: bool) -> None:
        self._asked.setdefault(dex, deque(maxlen=_SAMPLES)).append((at_ms, is_miss))


def _is_failing(asked: deque[tuple[int, bool]], now_ms: int) -> bool:
    recent = [is_miss for at_ms, is_miss in asked if now_ms - at_ms < _RECENT_MS]
    misses = sum(recent)
    return misses >= _MISSES_MIN and misses * 2 >= len(recent)
