"""What became of the orders that were to be cancelled, counted and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from batch.progress import STATUSES, Json


@dataclass(slots=True)
class CancelCounts:
    """What became of the orders; none of them is kept, however many they are."""

    cancelled: int = 0
    too_late: Counter[str] = field(default_factory=Counter)
    may_land_until: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost_answers: int = 0
    """Requests without an answer: of a filter's orders, those that it cancelled are not counted."""

    @property
    def answered(self) -> int:
        """How many orders have an answer."""
        return self.cancelled + self.too_late.total() + self.refused.total()

    def build_summary(self, wall_s: float) -> Json:
        """Build the summary that ``--json`` prints."""
        return {
            "cancelled": self.cancelled,
            "tooLate": {status: n for status in STATUSES if (n := self.too_late[status])},
            "mayLandUntil": self.may_land_until or None,
            "refused": dict(self.refused.most_common()),
            "lostAnswers": self.lost_answers,
            "wallS": round(wall_s, 3),
        }

    def describe(self) -> Iterator[str]:
        """Describe them, a line each."""
        they = "it" if self.cancelled == 1 else "they"
        yield f"cancelled {self.cancelled:,}" + (
            f", {they} will never be executed" if self.cancelled else ""
        )
        if self.too_late:
            ends = [f"{n:,} {status}" for status in STATUSES if (n := self.too_late[status])]
            until = f"; what is submitted may land up to block height {self.may_land_until:,}"
            yield f"too late for {self.too_late.total():,}: {', '.join(ends)}" + (
                until if self.too_late["submitted"] and self.may_land_until else ""
            )
        for code, number in self.refused.most_common():
            yield f"refused {number:,}: {code}"
