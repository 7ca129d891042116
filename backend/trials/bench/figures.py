"""Figures: what a run measured, by name, and what several runs say together.

A figure's name ends with its unit, or says it: ``post_p99_ms``, ``orders_per_s``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from statistics import median
from typing import Final, NamedTuple

import orjson

Figures = Mapping[str, float]

CALIBRATION_STEPS: Final = 200_000
CALIBRATION_TIMES: Final = 5
REST_S: Final = 0.005
RESTS: Final = 15
_DOCUMENT: Final = orjson.dumps([{"number": each, "text": str(each)} for each in range(20)])


class Spread(NamedTuple):
    """What a figure was in several runs."""

    median: float
    least: float
    most: float


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this ``share`` (0 to 1) of them does not exceed."""
    assert samples
    assert 0 <= share <= 1
    return sorted(samples)[max(0, ceil(share * len(samples)) - 1)]


def delays(name: str, samples_s: Sequence[float]) -> dict[str, float]:
    """The p50, p99 and maximum of delays in seconds, as milliseconds; nothing of no samples."""
    if not samples_s:
        return {}
    return {
        f"{name}_p50_ms": percentile(samples_s, 0.5) * 1_000,
        f"{name}_p99_ms": percentile(samples_s, 0.99) * 1_000,
        f"{name}_max_ms": max(samples_s) * 1_000,
    }


def spreads(runs: Sequence[Figures]) -> dict[str, Spread]:
    """Each figure over the runs that have it, in the order in which they first appear."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {
        name: Spread(median(values), min(values), max(values))
        for name in names
        if (values := [run[name] for run in runs if name in run])
    }


def shown(value: float) -> str:
    """A number with about three digits that count."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def row(name: str, spread: Spread, runs: int) -> tuple[str, str, str]:
    """A line of the table: the name in words, the median, and from where to where."""
    between = f"{shown(spread.least)} to {shown(spread.most)}" if runs > 1 else ""
    return name.replace("_", " "), shown(spread.median), between


def difference_percent(value: float, base: float) -> float:
    """How much more than ``base`` this is, in percent of it; less is negative."""
    return (value / base - 1) * 100


def calibration_ms(now_s: Callable[[], float]) -> float:
    """How long a fixed loop in Python takes, in milliseconds: the median of some times.

    A run beside which it took longer ran on a machine that was slower, or busy.
    """
    times = []
    for _ in range(CALIBRATION_TIMES):
        started = now_s()
        total = 0
        for step in range(CALIBRATION_STEPS):
            total += step & 7
        times.append((now_s() - started) * 1_000)
    return median(times)


def after_rest_factor(now_s: Callable[[], float]) -> float:
    """How many times as long a piece of work takes after ``REST_S`` as when it has just been done.

    The rest is spent reading the clock, so this is not the price of waking up: it is high where
    neighbours on the same machine take the processor's caches. Then whatever is done seldom is
    dear, which no loop shows.
    """
    seldom, often = [], []
    for _ in range(RESTS):
        until = now_s() + REST_S
        while now_s() < until:
            pass
        times = [_work_s(now_s) for _ in range(4)]
        seldom.append(times[0])
        often.append(times[-1])
    return median(seldom) / median(often)


def _work_s(now_s: Callable[[], float]) -> float:
    started = now_s()
    orjson.dumps({str(each["number"]): each["text"] for each in orjson.loads(_DOCUMENT)})
    return now_s() - started
