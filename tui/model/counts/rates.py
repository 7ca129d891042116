"""Throughput, durations and savings of recent orders, for the summary and the timeline.

All windows are bounded: a minute of seconds, the last thousand orders.
"""

from __future__ import annotations

from collections import Counter, deque
from decimal import Decimal
from typing import Final

from tui.model.orders import Order
from tui.model.pairs import DOLLAR_TOKENS
from tui.model.routes.quotes import BPS
from tui.text.format import SECOND_MS

WINDOW_S: Final = 60
_SAMPLES_MAX: Final = 1_000
_PHASE_SAMPLES_MAX: Final = 300
_RATE_WINDOW_S: Final = 5


class Rates:
    """Ended orders per second, and samples of the durations of orders and their phases."""

    def __init__(self) -> None:
        self._ends_by_second: Counter[int] = Counter()
        self._durations_ms: deque[int] = deque(maxlen=_SAMPLES_MAX)
        self._phases: dict[str, deque[int]] = {}

    def record_end(self, order: Order, *, is_old: bool = False) -> None:
        """Record the end of an order.

        Orders loaded from storage (``is_old``) arrive newest first, so they are added at the old
        end of the samples and evict none. The duration of one that may have waited for a price is
        no sample.
        """
        self._ends_by_second[order.updated_ms // SECOND_MS] += 1
        if len(self._ends_by_second) > 2 * WINDOW_S:
            newest = max(self._ends_by_second)
            self._ends_by_second = Counter(
                {s: n for s, n in self._ends_by_second.items() if newest - s < WINDOW_S}
            )
        if order.status != "confirmed" or order.can_wait:
            return
        if not is_old:
            self._durations_ms.append(order.duration_ms(order.updated_ms))
        elif len(self._durations_ms) < _SAMPLES_MAX:
            self._durations_ms.appendleft(order.duration_ms(order.updated_ms))

    def record_phase(self, status: str, duration_ms: int) -> None:
        """Record that an order left a status after ``duration_ms``."""
        self._phases.setdefault(status, deque(maxlen=_PHASE_SAMPLES_MAX)).append(duration_ms)

    def ends_per_second(self, now_ms: int, seconds: int) -> list[int]:
        """Return the ended orders of each of the last full seconds, the latest last."""
        this = now_ms // SECOND_MS
        return [self._ends_by_second[second] for second in range(this - seconds, this)]

    def end_rate(self, now_ms: int) -> Decimal:
        """Return the ended orders per second, averaged over the last few seconds."""
        return Decimal(sum(self.ends_per_second(now_ms, _RATE_WINDOW_S))) / _RATE_WINDOW_S

    def duration_percentiles_ms(self) -> tuple[int, int] | None:
        """Return the median and the 95th percentile of recent durations of confirmed orders."""
        if not self._durations_ms:
            return None
        ordered = sorted(self._durations_ms)
        return ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]

    def median_phase_ms(self, status: str) -> int | None:
        """Return the median time that orders spend in a status."""
        samples = self._phases.get(status)
        return sorted(samples)[len(samples) // 2] if samples else None


class Savings:
    """What routing saved: the chosen quotes compared with the best others, as a report counts it.

    In dollars, of the swaps of dollar tokens; those of a TWAP order are its slices.
    """

    def __init__(self) -> None:
        self.dollars = Decimal(0)
        self.volume = Decimal(0)

    def add_order(self, order: Order) -> None:
        """Add an executed order."""
        if order.amount_out is None or order.slices is not None:
            return
        amounts = {order.token_in: order.amount_in, order.token_out: order.amount_out}
        dollars = next((token for token in DOLLAR_TOKENS if token in amounts), None)
        if dollars is None:
            return
        received, value = Decimal(order.amount_out), Decimal(amounts[dollars])
        self.volume += value
        gap = order.quote_gap
        if gap is not None and received:
            self.dollars += gap.advantage * value / received

    @property
    def rate_bps(self) -> Decimal | None:
        """What was saved of the volume, in basis points."""
        return self.dollars / self.volume * BPS if self.volume else None
