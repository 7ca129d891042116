"""How fast and how well orders end lately: what the strip and the timeline compare with.

All windows are bounded: a minute of seconds, the last thousand orders.
"""

from __future__ import annotations

from collections import Counter, deque
from decimal import Decimal
from typing import Final

from tui.model.orders import Order
from tui.model.pairs import DOLLARS
from tui.text.format import SECOND_MS

WINDOW_S: Final = 60
_SAMPLES: Final = 1_000
_PHASE_SAMPLES: Final = 300
_RATE_S: Final = 5


class Rates:
    """Counts of ends by the second, and samples of how long orders and their phases took."""

    def __init__(self) -> None:
        self._ends: Counter[int] = Counter()
        self._took: deque[int] = deque(maxlen=_SAMPLES)
        self._phases: dict[str, deque[int]] = {}

    def ended(self, order: Order, *, is_old: bool = False) -> None:
        """An order ended. Old ones come the newest first, and make no room for themselves."""
        self._ends[order.updated_ms // SECOND_MS] += 1
        if len(self._ends) > 2 * WINDOW_S:
            newest = max(self._ends)
            self._ends = Counter({s: n for s, n in self._ends.items() if newest - s < WINDOW_S})
        if order.status != "confirmed":
            return
        if not is_old:
            self._took.append(order.took_ms(order.updated_ms))
        elif len(self._took) < _SAMPLES:
            self._took.appendleft(order.took_ms(order.updated_ms))

    def passed(self, status: str, took_ms: int) -> None:
        """An order left a status after ``took_ms``."""
        self._phases.setdefault(status, deque(maxlen=_PHASE_SAMPLES)).append(took_ms)

    def per_second(self, now_ms: int, seconds: int) -> list[int]:
        """Ends in each of the last whole seconds, the latest last."""
        this = now_ms // SECOND_MS
        return [self._ends[second] for second in range(this - seconds, this)]

    def rate(self, now_ms: int) -> Decimal:
        """Ends a second, over the last few seconds."""
        return Decimal(sum(self.per_second(now_ms, _RATE_S))) / _RATE_S

    def took_ms(self) -> tuple[int, int] | None:
        """The median and the 95th percentile of how long confirmed orders took lately."""
        if not self._took:
            return None
        ordered = sorted(self._took)
        return ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]

    def phase_ms(self, status: str) -> int | None:
        """The median time that orders spend in a status."""
        samples = self._phases.get(status)
        return sorted(samples)[len(samples) // 2] if samples else None


class Savings:
    """What asking two venues was worth: the chosen quote against the better of the others."""

    def __init__(self) -> None:
        self.orders = 0
        self.dollars = Decimal(0)
        self._bps = Decimal(0)

    def confirmed(self, order: Order) -> None:
        """An order was executed on the chosen venue."""
        gap = order.gap
        if gap is None:
            return
        self.orders += 1
        self._bps += gap.bps
        if order.token_out in DOLLARS:
            self.dollars += gap.gained
        elif order.token_in in DOLLARS:
            self.dollars += gap.gained * Decimal(order.amount_in) / gap.amount_out

    @property
    def bps(self) -> Decimal | None:
        """The mean over the orders that had two quotes."""
        return self._bps / self.orders if self.orders else None
