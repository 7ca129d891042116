"""How well orders were executed in a time: a report, and the times of the newest fills by step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from tui.model.desk.wire import WireFill, WireReport
from tui.text.format import parse_timestamp_ms

FILLS_MAX: Final = 500
"""So many of the newest fills are asked for."""
PERIODS_S: Final = {"1 h": 3_600, "1 d": 86_400, "all": None}
GROUPS: Final = ("pair", "dex")
BOUNDS_MS: Final = (30, 100, 300, 1_000, 3_000, 10_000, 30_000)
"""The upper bounds of the columns of a histogram; the last column has no bound."""

DIFFERENCES_BPS: Final = (-30, -10, -3, -1, 1, 3, 10)
"""The bounds of a histogram of what was paid against the quote, in basis points."""


class FillTimes(NamedTuple):
    """When a fill was booked, and how long its steps took, in milliseconds."""

    at_ms: int
    to_submission: int
    on_chain: int

    @property
    def total(self) -> int:
        """From acceptance to the end."""
        return self.to_submission + self.on_chain


def read_fill_times(fills: Iterable[WireFill]) -> list[FillTimes]:
    """The times of the fills that have them."""
    times: list[FillTimes] = []
    for fill in fills:
        accepted, submitted = fill["sinceAcceptedMs"], fill["sinceSubmittedMs"]
        if accepted is not None and submitted is not None:
            at_ms = parse_timestamp_ms(fill["at"])
            times.append(FillTimes(at_ms, max(accepted - submitted, 0), submitted))
    return times


def read_differences(fills: Iterable[WireFill]) -> list[Decimal]:
    """How much more than quoted each fill was paid, in basis points; the API tells how much less.

    The least first.
    """
    told = (fill["slippageBps"] for fill in fills)
    return sorted(-Decimal(bps) for bps in told if bps is not None)


def count_by_difference(differences: Iterable[Decimal]) -> list[int]:
    """Count differences by ``DIFFERENCES_BPS``: one number more than there are bounds."""
    counts = [0] * (len(DIFFERENCES_BPS) + 1)
    for bps in differences:
        counts[bisect_right(DIFFERENCES_BPS, bps)] += 1
    return counts


def count_by_bound(durations_ms: Iterable[int]) -> list[int]:
    """Count durations by the bounds: one number more than there are bounds."""
    counts = [0] * (len(BOUNDS_MS) + 1)
    for duration in durations_ms:
        counts[next((n for n, bound in enumerate(BOUNDS_MS) if duration <= bound), -1)] += 1
    return counts


def find_percentile(
    times: Sequence[FillTimes], percent: int, get: Callable[[FillTimes], int]
) -> int | None:
    """The duration that so many per cent of the fills do not exceed."""
    ordered = sorted(map(get, times))
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else None


@dataclass(slots=True)
class Quality:
    """What was read last, and for which period and group."""

    period: str = ""
    group: str = ""
    report: WireReport | None = None
    times: list[FillTimes] = field(default_factory=list)
    differences: list[Decimal] = field(default_factory=list)
    """What fills were paid against their quotes, in basis points, the least first."""
    read_at_ms: int = 0


@dataclass(slots=True)
class QualityChoice:
    """What the user looks at."""

    period: str = "1 h"
    group: str = "pair"

    def step_period(self, step: int) -> None:
        """Take the next longer period (1) or the next shorter one (-1)."""
        names = list(PERIODS_S)
        self.period = names[(names.index(self.period) + step) % len(names)]

    def step_group(self) -> None:
        """Take the other group."""
        self.group = GROUPS[(GROUPS.index(self.group) + 1) % len(GROUPS)]
