"""Routes an order through other tokens, where that pays more than the pools of its own pair."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any, Final

from solders.pubkey import Pubkey

from backend.chain.transactions import SwapLeg, measure_swap
from backend.domain.amounts import BPS, Token, compute_min_out
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9
from backend.domain.route_constraints import HOPS_MAX, NO_CONSTRAINTS
from backend.routing.hops.hop_splits import (
    HopSplits,
    HopTerms,
    compute_leg_minimum,
    list_hop_splits,
    rank_paths,
)
from backend.routing.offers import Offers
from backend.routing.route import Leg, Route, split_minimum
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splitter import Splitter
from backend.venues.venue import Pool

FITTINGS_MAX: Final = 8
"""So often a route through some tokens is made smaller until a transaction has room for it."""
Path = tuple[Token, ...]
"""The tokens of a route, from the one that is sold to the one that is bought."""
PoolsRead = Callable[[OrderTerms, Token, Token], Coroutine[Any, Any, Sequence[Pool]]]
"""Reads the pools of two tokens that an order may use, as far as they can be read."""


@dataclass(frozen=True, slots=True)
class HopPreferences:
    """Which routes through other tokens are looked for.

    ``tokens`` are those that a route may lead through, ``hops_max`` the most swaps that follow
    each other. An order that does not ask for such routes has one only if its own pair has none,
    or one with a price impact of at least ``impact_min_bps``.
    """

    tokens: Sequence[Token] = ()
    hops_max: int = 1
    impact_min_bps: int = 0

    def __post_init__(self) -> None:
        assert 1 <= self.hops_max <= HOPS_MAX
        assert 0 <= self.impact_min_bps <= BPS


class HopRouter:
    """Finds routes through other tokens; ``splitter`` splits each hop."""

    def __init__(self, preferences: HopPreferences, splitter: Splitter) -> None:
        self._preferences = preferences
        self._splitter = splitter

    def is_wanted(self, terms: OrderTerms, direct: Route | None) -> bool:
        """Whether an order may have a route through other tokens that is worth looking for."""
        hops_max, legs_max = self._find_bounds(terms)
        if min(hops_max, legs_max) < 2 or not self._preferences.tokens:
            return False
        asked = terms.constraints is not None and terms.constraints.max_hops is not None
        least_e9 = self._preferences.impact_min_bps * E9 // BPS
        return asked or direct is None or direct.price_impact_e9 >= least_e9

    async def find(self, offers: Offers, direct: Route | None, read: PoolsRead) -> Route | None:
        """Find the route that pays more than the ``direct`` one, and enough; ``None`` if none does.

        What it leaves of the tokens in between is not counted.
        """
        terms = offers.terms
        paths = list(self._list_paths(terms))
        pairs = list(dict.fromkeys(pair for path in paths for pair in pairwise(path)))
        async with asyncio.TaskGroup() as tasks:
            reads = {pair: tasks.create_task(read(terms, *pair)) for pair in pairs}
        pools = {pair: task.result() for pair, task in reads.items()}
        usable = {
            path: hops for path in paths if all(hops := [pools[pair] for pair in pairwise(path)])
        }
        found = self._search(terms, direct, usable)
        return None if found is None else _build_route(offers, *found)

    def _search(
        self,
        terms: OrderTerms,
        direct: Route | None,
        paths: Mapping[Path, Sequence[Sequence[Pool]]],
    ) -> tuple[Path, HopSplits] | None:
        """The path and the splits that pay most, if that is worth more than the direct route."""
        pools = (pool for hops in paths.values() for hop in hops for pool in hop)
        amount_out = direct.amount_out if direct else None
        leg_cost = self._splitter.compute_leg_cost(terms, amount_out, pools)
        worth = 0 if direct is None else direct.amount_out - leg_cost * (len(direct.legs) - 1)
        _, legs_max = self._find_bounds(terms)
        cap_bps = terms.max_price_impact_bps
        best: tuple[Path, HopSplits] | None = None
        found = list(paths.items())
        curves = [self._find_curves(path, hops) for path, hops in found]
        for place in rank_paths(curves, terms.amount_in):
            path, hops = found[place]
            slippage_bps = _share_slippage(terms.slippage_bps, len(hops))
            asked = HopTerms(terms.amount_in, slippage_bps, legs_max, leg_cost, cap_bps)
            splits = self._find_fitting(path, hops, asked, worth, terms)
            if splits is not None:
                best, worth = (path, splits), splits.compute_value(leg_cost)
        return best

    def _find_curves(self, path: Path, hops: Sequence[Sequence[Pool]]) -> list[PoolCurves]:
        mints = [Pubkey.from_string(token.mint) for token in path]
        return list(map(self._splitter.find_curves, hops, mints))

    def _find_fitting(
        self,
        path: Path,
        hops: Sequence[Sequence[Pool]],
        asked: HopTerms,
        worth: int,
        terms: OrderTerms,
    ) -> HopSplits | None:
        """The best splits through some tokens that fit a transaction, if they are worth more.

        Of what does not fit, first legs are dropped, then the pool that takes most room.
        """
        mints = [Pubkey.from_string(token.mint) for token in path]
        for _ in range(FITTINGS_MAX):
            if not all(hops):
                return None
            found = [
                splits
                for splits in list_hop_splits(self._find_curves(path, hops), asked)
                if splits.compute_value(asked.leg_cost) > worth
                and splits.amount_out >= (terms.min_amount_out or 1)
                and splits.is_within_impact(asked.max_price_impact_bps)
            ]
            if not found:
                return None
            found.sort(key=lambda splits: splits.compute_value(asked.leg_cost), reverse=True)
            for splits in found:
                if self._splitter.fits(_build_legs(mints, splits), mints[0], mints[-1]):
                    return splits
            legs_max = min(asked.legs_max, max(splits.legs for splits in found))
            if legs_max > len(hops):
                asked = asked._replace(legs_max=legs_max - 1)
            else:
                hops = _drop_largest(hops, mints, found[0])
        return None

    def _list_paths(self, terms: OrderTerms) -> Iterator[Path]:
        hops_max, legs_max = self._find_bounds(terms)
        ends = (terms.token_in, terms.token_out)
        between = [token for token in self._preferences.tokens if token not in ends]
        for count in range(1, min(hops_max, legs_max)):
            for tokens in permutations(between, count):
                yield (terms.token_in, *tokens, terms.token_out)

    def _find_bounds(self, terms: OrderTerms) -> tuple[int, int]:
        """The most hops and the most legs of an order's route."""
        asked = terms.constraints or NO_CONSTRAINTS
        hops_max, legs_max = self._preferences.hops_max, self._splitter.legs_max
        return min(hops_max, asked.max_hops or hops_max), min(legs_max, asked.max_legs or legs_max)


def _drop_largest(
    hops: Sequence[Sequence[Pool]], mints: Sequence[Pubkey], splits: HopSplits
) -> list[Sequence[Pool]]:
    """The pools of each hop without the one whose leg takes most room in a transaction."""
    sizes = {
        leg.pool.address: measure_swap([leg], *(leg.mints or mints))
        for leg in _build_legs(mints, splits)
    }
    largest = max(sizes, key=lambda address: sizes[address])
    return [[pool for pool in pools if pool.address != largest] for pools in hops]


def _build_legs(mints: Sequence[Pubkey], splits: HopSplits) -> list[SwapLeg]:
    """The swaps through some tokens, to measure their transaction."""
    return [
        SwapLeg(part.pool, part.quote.amount_in, part.quote.amount_out, pair)
        for pair, split in zip(pairwise(mints), splits.splits, strict=True)
        for part in split.parts
    ]


def _share_slippage(slippage_bps: int, hops: int) -> int:
    """What an order's slippage leaves to each hop of its route."""
    return slippage_bps // hops


def _build_route(offers: Offers, path: Path, found: HopSplits) -> Route:
    terms = offers.terms
    minimum = max(terms.min_amount_out or 1, compute_min_out(found.amount_out, terms.slippage_bps))
    slippage_bps = _share_slippage(terms.slippage_bps, len(found.splits))
    legs: list[Leg] = []
    for number, (tokens, split) in enumerate(zip(pairwise(path), found.splits, strict=True), 1):
        quotes = [part.quote for part in split.parts]
        if number == len(found.splits):
            minimums = split_minimum(quotes, minimum)
        else:
            minimums = [compute_leg_minimum(quote, slippage_bps) for quote in quotes]
        legs += [
            Leg(part.pool, part.quote, least, *tokens)
            for part, least in zip(split.parts, minimums, strict=True)
        ]
    return Route(tuple(legs), offers.quotes, offers.missing, minimum, offers.left_out)
