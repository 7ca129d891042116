"""Figures: the named measurements of a run, and their summary over several runs.

A figure's name contains its unit: ``post_p99_ms``, ``orders_per_s``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple

import orjson

from backend.trials.percentile import percentile

Figures = Mapping[str, float]

CALIBRATION_STEPS: Final = 200_000
CALIBRATION_RUNS: Final = 5
REST_S: Final = 0.005
REST_COUNT: Final = 15
_DOCUMENT: Final = orjson.dumps([{"number": each, "text": str(each)} for each in range(20)])

_STREAM_FIGURES: Final = (
    *(f"event_to_socket_{key}_ms" for key in ("p50", "p99", "max")),
    *("orders_per_s", "cpu_us_per_order_api", "cpu_us_per_order_client", "calibration_ms"),
)


class Spread(NamedTuple):
    """The median and the extremes of a figure over several runs."""

    median: float
    least: float
    most: float


def summarize_delays(name: str, samples_s: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and maximum in milliseconds of delays in seconds; empty without samples."""
    if not samples_s:
        return {}
    return {
        f"{name}_p50_ms": percentile(samples_s, 0.5) * 1_000,
        f"{name}_p99_ms": percentile(samples_s, 0.99) * 1_000,
        f"{name}_max_ms": max(samples_s) * 1_000,
    }


def summarize_runs(runs: Sequence[Figures]) -> dict[str, Spread]:
    """Summarize each figure over the runs that have it, in order of first appearance."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {
        name: Spread(median(values), min(values), max(values))
        for name in names
        if (values := [run[name] for run in runs if name in run])
    }


def format_number(value: float) -> str:
    """Format a number with about three significant digits."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def format_row(name: str, spread: Spread, runs: int) -> tuple[str, str, str]:
    """Format a table row: the name in words, the median, and the range."""
    value_range = (
        f"{format_number(spread.least)} to {format_number(spread.most)}" if runs > 1 else ""
    )
    return name.replace("_", " "), format_number(spread.median), value_range


def select_stream_figures(name: str, figures: Figures) -> dict[str, float]:
    """Select the figures of one ``stream`` measurement and prefix their names."""
    return {f"{name}_{key}": figures[key] for key in _STREAM_FIGURES if key in figures}


def drop_memory_figures(figures: Figures) -> dict[str, float]:
    """Drop the memory figures: orders that end at once show no memory use per order in flight."""
    left_out = ("worker_growth_kib", "open_orders_max")
    return {name: value for name, value in figures.items() if name not in left_out}


def difference_percent(value: float, base: float) -> float:
    """Return by how many percent of ``base`` this value exceeds it; negative if it is lower."""
    return (value / base - 1) * 100


def measure_calibration_ms(now_s: Callable[[], float]) -> float:
    """Time a fixed Python loop, in milliseconds: the median of a few repetitions.

    A higher value than in other runs means that the machine was slower, or busy.
    """
    times = []
    for _ in range(CALIBRATION_RUNS):
        started = now_s()
        total = 0
        for step in range(CALIBRATION_STEPS):
            total += step & 7
        times.append((now_s() - started) * 1_000)
    return median(times)


def measure_after_rest_factor(now_s: Callable[[], float]) -> float:
    """Measure how many times longer work takes after ``REST_S`` without it than right after it ran.

    The rest is a busy wait, so the cost of waking up is excluded. The factor is high where noisy
    neighbours evict our CPU caches: rarely executed code is then slow, which the calibration loop
    does not show.
    """
    cold, warm = [], []
    for _ in range(REST_COUNT):
        until = now_s() + REST_S
        while now_s() < until:
            pass
        times = [_time_work_s(now_s) for _ in range(4)]
        cold.append(times[0])
        warm.append(times[-1])
    return median(cold) / median(warm)


def _time_work_s(now_s: Callable[[], float]) -> float:
    started = now_s()
    orjson.dumps({str(each["number"]): each["text"] for each in orjson.loads(_DOCUMENT)})
    return now_s() - started
