"""Routes of two hops over random pools: never worse than the best chain of single pools, and timed.

The search is that of an order whose route may lead through three other tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from time import thread_time
from typing import Final

from backend.domain.amounts import compute_min_out
from backend.domain.errors import EngineError
from backend.domain.quotes import Quote, best_quote
from backend.routing.hops.hop_splits import HopSplits, HopTerms, list_hop_splits, rank_paths
from backend.routing.splits.pool_curves import PoolCurves
from backend.trials.splits.states import SplitCase, draw_case

TOKENS_BETWEEN: Final = 3
_SLIPPAGE_BPS: Final = 25
_LEGS_MAX: Final = 3

_Path = tuple[SplitCase, SplitCase]


@dataclass(slots=True)
class HopFigures:
    """What was found: seconds of CPU of first and of further searches, and violations."""

    cold_s: list[float] = field(default_factory=list)
    warm_s: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def compare_hops(states: int, seed: int, report_progress: Callable[[int], None]) -> HopFigures:
    """Search so many random routes; ``report_progress`` gets the number done."""
    figures = HopFigures()
    for n in range(states):
        random = Random(f"{seed} hops {n}")  # noqa: S311 - repeatable, not a secret
        paths = [_draw_path(random) for _ in range(TOKENS_BETWEEN)]
        amount_in = paths[0][0].amount_in
        started = thread_time()
        curves = [tuple(PoolCurves(hop.pools, hop.mint_in) for hop in path) for path in paths]
        best = _find_best(curves, amount_in)
        figures.cold_s.append(thread_time() - started)
        started = thread_time()
        _find_best(curves, amount_in - amount_in // 1_000)
        figures.warm_s.append(thread_time() - started)
        chain = max(_compute_chain(path, amount_in) for path in paths)
        if chain > (0 if best is None else best.amount_out):
            figures.violations.append(f"hops {n} of seed {seed}: single pools pay {chain}")
        report_progress(n + 1)
    return figures


def _draw_path(random: Random) -> _Path:
    """Pools of the two hops: what the second takes is what the first pays."""
    first, second = draw_case(random), draw_case(random)
    while second.mint_in == first.mint_in:
        second = draw_case(random)
    return first, second


def _find_best(curves: Sequence[Sequence[PoolCurves]], amount_in: int) -> HopSplits | None:
    terms = HopTerms(amount_in, _SLIPPAGE_BPS, _LEGS_MAX)
    found = [
        splits
        for place in rank_paths(curves, amount_in)
        for splits in list_hop_splits(curves[place], terms)
    ]
    return max(found, key=lambda splits: splits.amount_out, default=None)


def _compute_chain(path: _Path, amount_in: int) -> int:
    """What the best single pool of each hop pays; 0 if one of them takes no such amount."""
    for number, hop in enumerate(path):
        quotes = _list_quotes(hop, amount_in)
        if not quotes:
            return 0
        paid = best_quote(quotes).amount_out
        amount_in = paid if number else compute_min_out(paid, _SLIPPAGE_BPS)
        if not amount_in:
            return 0
    return amount_in


def _list_quotes(hop: SplitCase, amount_in: int) -> list[Quote]:
    quotes = []
    for pool in hop.pools:
        try:
            quotes.append(pool.quote(hop.mint_in, amount_in))
        except EngineError:
            continue
    return quotes
