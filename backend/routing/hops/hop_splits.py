"""Splits that follow each other: each spends what the one before it pays at least.

The amounts of all swaps are fixed in the transaction before the first one is executed. So a hop
takes the sum of the minimum outputs of the legs before it; what these pay above that stays in the
wallet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from backend.domain.amounts import BPS, compute_min_out
from backend.domain.quotes import E9, Quote
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splits.split import Split

_RANK_TOLERANCE: Final = 0.02
"""A path whose best single pools pay less than those of another by this share is not searched."""


class HopTerms(NamedTuple):
    """What an order asks of a route of several hops.

    ``slippage_bps`` is by how much each leg but those of the last hop may pay less than its quote,
    ``legs_max`` the most legs of all hops together, ``leg_cost`` what each leg but the first costs
    in base units of the token out.
    """

    amount_in: int
    slippage_bps: int
    legs_max: int
    leg_cost: int = 0
    max_price_impact_bps: int | None = None


@dataclass(frozen=True, slots=True)
class HopSplits:
    """A split for each hop, from the token in to the token out."""

    splits: tuple[Split, ...]

    @property
    def amount_out(self) -> int:
        """What the last hop pays, in base units."""
        return self.splits[-1].amount_out

    @property
    def legs(self) -> int:
        """How many legs all hops have."""
        return sum(len(split.parts) for split in self.splits)

    def compute_value(self, leg_cost: int) -> int:
        """What it pays less the cost of each leg but the first; residuals are not counted."""
        return self.amount_out - leg_cost * (self.legs - 1)

    def is_within_impact(self, cap_bps: int | None) -> bool:
        """Whether all hops together have a price impact of at most ``cap_bps`` basis points."""
        if cap_bps is None:
            return True
        kept = 1.0
        for split in self.splits:
            quotes = [part.quote for part in split.parts]
            impact = sum(quote.price_impact_e9 * quote.amount_in for quote in quotes)
            kept *= 1 - impact / split.amount_in / E9
        return (1 - kept) * BPS <= cap_bps


def compute_leg_minimum(quote: Quote, slippage_bps: int) -> int:
    """What a leg before the last hop has to pay at least."""
    return max(compute_min_out(quote.amount_out, slippage_bps), 1)


def rank_paths(paths: Sequence[Sequence[PoolCurves]], amount_in: int) -> list[int]:
    """The places of the paths that are worth a search, the most promising first.

    What the best single pools of a path pay, by their curves, tells which ones are.
    """
    estimates = [_estimate_out(hops, amount_in) for hops in paths]
    least = max(estimates, default=0.0) * (1 - _RANK_TOLERANCE)
    ranked = sorted(range(len(paths)), key=lambda place: -estimates[place])
    return [place for place in ranked if estimates[place] >= least > 0]


def _estimate_out(hops: Sequence[PoolCurves], amount_in: int) -> float:
    """Estimate what the best single pool of each hop pays."""
    amount = float(amount_in)
    for curves in hops:
        amount = curves.estimate_out(amount)
    return amount


def list_hop_splits(hops: Sequence[PoolCurves], terms: HopTerms) -> Iterator[HopSplits]:
    """List the best splits for each number of legs that the hops before the last may have.

    ``hops`` are the pools of the hops in their order, at least one. None has a price impact above
    the cap.
    """
    for splits in _list_from(hops, terms.amount_in, terms.legs_max, terms):
        yield HopSplits(splits)


def _list_from(
    hops: Sequence[PoolCurves], amount_in: int, legs_max: int, terms: HopTerms
) -> Iterator[tuple[Split, ...]]:
    first, *others = hops
    legs_most = legs_max - len(others)
    if not others:
        split = _split(first, amount_in, legs_most, terms, terms.leg_cost)
        if split is not None:
            yield (split,)
        return
    legs_before = 0
    for legs in range(1, legs_most + 1):
        split = _split(first, amount_in, legs, terms)
        if split is None:  # with more legs, each may be within the cap
            continue
        if len(split.parts) == legs_before:  # more legs gain nothing
            return
        legs_before = len(split.parts)
        ensured = sum(compute_leg_minimum(part.quote, terms.slippage_bps) for part in split.parts)
        for rest in _list_from(others, ensured, legs_max - legs_before, terms):
            yield (split, *rest)


def _split(
    curves: PoolCurves, amount_in: int, legs_max: int, terms: HopTerms, leg_cost: int = 0
) -> Split | None:
    return curves.split(
        amount_in,
        legs_max=legs_max,
        leg_cost=leg_cost,
        max_price_impact_bps=terms.max_price_impact_bps,
    )
