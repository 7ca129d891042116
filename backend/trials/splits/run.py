"""Compares splits with the best single pool and with the optimum, and measures their search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from statistics import median
from time import thread_time
from typing import Final

from backend.domain.amounts import BPS
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splits.split import Split
from backend.trials.splits.optimum import Optimum
from backend.trials.splits.states import SplitCase, draw_case

GAP_MAX_BPS: Final = 0.1
SIZES: Final = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Upper ends of the classes of orders, as shares of what the pools hold of the token in."""
_PRUNED: Final = 1e-6
_CALIBRATION_ROUNDS: Final = 100_000


@dataclass(slots=True)
class SplitFigures:
    """What was found: improvements by size, the largest gap, seconds of CPU, and violations."""

    improvements_bps: dict[float, list[float]] = field(default_factory=lambda: defaultdict(list))
    legs: dict[float, list[int]] = field(default_factory=lambda: defaultdict(list))
    cold_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    warm_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    calibration_s: list[float] = field(default_factory=list)
    worst_gap_bps: float = 0.0
    unquoted: int = 0
    violations: list[str] = field(default_factory=list)


def compare_splits(states: int, seed: int, report_progress: Callable[[int], None]) -> SplitFigures:
    """Compare the splits of so many random cases; ``report_progress`` gets the number done."""
    figures = SplitFigures()
    for n in range(states):
        case = draw_case(Random(f"{seed} {n}"))  # noqa: S311 - repeatable, not a secret
        _compare(case, f"state {n} of seed {seed}", figures)
        if n % 100 == 0:
            figures.calibration_s.append(measure_calibration_s())
        report_progress(n + 1)
    return figures


def find_violations(case: SplitCase, split: Split | None, optimum: Optimum) -> list[str]:
    """What a split promises and does not keep, apart from how near it is to the optimum."""
    single = optimum.find_best_single()
    if split is None:
        return [] if single is None else ["a single pool quotes, and the split does not"]
    violations = []
    if split.amount_in != case.amount_in:
        violations.append(f"the parts take {split.amount_in}, not {case.amount_in}")
    if len(split.parts) > case.legs_max:
        violations.append(f"{len(split.parts)} legs, not {case.legs_max}")
    if single is not None and split.compute_value(case.leg_cost) < single:
        value = split.compute_value(case.leg_cost)
        violations.append(f"it is worth {value}, and a single pool pays {single}")
    amounts = [part.quote.amount_in for part in split.parts]
    if amounts != sorted(amounts, reverse=True):
        violations.append("the largest part is not the first")
    quotes = [part.pool.quote(case.mint_in, part.quote.amount_in) for part in split.parts]
    if quotes != [part.quote for part in split.parts]:
        violations.append("a part is not quoted exactly")
    cap = case.max_price_impact_bps
    if cap is not None and not all(quote.is_within_impact(cap) for quote in quotes):
        violations.append("a part has a price impact above the cap")
    return violations


def compute_gap_bps(case: SplitCase, split: Split, optimum: Optimum) -> float:
    """How much more the optimum pays, beyond the base unit that each leg may lose by rounding."""
    value = split.compute_value(case.leg_cost)
    best = optimum.find(value * (1 + _PRUNED))
    missing = 0 if best is None else best - value
    return missing * BPS / value if missing > case.legs_max else 0.0


def measure_calibration_s() -> float:
    """Measure the CPU of a fixed loop: times of different machines can be compared by it."""
    started = thread_time()
    total = 0
    for n in range(_CALIBRATION_ROUNDS):
        total += n * n
    return thread_time() - started


def summarize(values: list[float]) -> float:
    """The median; 0 of nothing."""
    return median(values) if values else 0.0


def compute_p90(values: list[float]) -> float:
    """What nine tenths of the values are at most; 0 of nothing."""
    return sorted(values)[len(values) * 9 // 10] if values else 0.0


def _compare(case: SplitCase, name: str, figures: SplitFigures) -> None:
    started = thread_time()
    curves = PoolCurves(case.pools, case.mint_in)
    split = _split(curves, case, case.amount_in)
    figures.cold_s[len(case.pools)].append(thread_time() - started)
    started = thread_time()
    _split(curves, case, case.amount_in - case.amount_in // 1_000)
    figures.warm_s[len(case.pools)].append(thread_time() - started)
    optimum = Optimum(case)
    violations = find_violations(case, split, optimum)
    if split is None:
        figures.unquoted += 1
    else:
        gap_bps = compute_gap_bps(case, split, optimum)
        figures.worst_gap_bps = max(figures.worst_gap_bps, gap_bps)
        if gap_bps > GAP_MAX_BPS:
            violations.append(f"{gap_bps:.3f} bps below the optimum")
        size = next(end for end in SIZES if case.size <= end)
        single = optimum.find_best_single()
        if single is not None:
            gain = split.compute_value(case.leg_cost) - single
            figures.improvements_bps[size].append(gain * BPS / single)
        figures.legs[size].append(len(split.parts))
    figures.violations += [f"{name}: {violation}" for violation in violations]


def _split(curves: PoolCurves, case: SplitCase, amount_in: int) -> Split | None:
    return curves.split(
        amount_in,
        legs_max=case.legs_max,
        leg_cost=case.leg_cost,
        max_price_impact_bps=case.max_price_impact_bps,
    )
