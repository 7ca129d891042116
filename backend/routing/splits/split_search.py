"""The search of a split: curves in floating point propose the parts, exact quotes decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

from backend.routing.splits.allocation import BoundedCurve
from backend.routing.splits.exact_quotes import CappedQuotes
from backend.routing.splits.exchange import ChunkPlan, exchange_chunks
from backend.routing.splits.pool_choice import PoolChoice, choose_pools
from backend.routing.splits.pool_curve import PoolCurve

Parts = Mapping[int, int]
"""Amounts in, by the places of their pools."""

_ROUNDS_MAX: Final = 24
_SHRINKS: Final = (1e-9, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 0.9)
_HALVINGS: Final = 6
_NEARLY: Final = 1e-6
"""How exact the curves are about where a pool, or the cap of its price impact, ends."""
_TRUST: Final = 1e-4
"""A pool that pays less by this share, as the curves have it, pays less."""
_TRUSTED_OUT_MIN: Final = 1_000_000
_ROUNDING_OUT_MAX: Final = 500_000
"""Amounts out up to which a base unit matters."""
_MISMATCH: Final = 1e-6
_MISMATCH_UNITS: Final = 4


class SplitTerms(NamedTuple):
    """What an order asks of a split; see ``PoolCurves.split``."""

    amount_in: int
    legs_max: int
    leg_cost: int
    max_price_impact_bps: int | None


class SplitSearch:
    """The search for one order over the curves of its pools, which ``quotes`` names alike."""

    def __init__(
        self, curves: Sequence[PoolCurve], quotes: CappedQuotes, terms: SplitTerms
    ) -> None:
        self._quotes: Final = quotes
        self._terms: Final = terms
        self._pools: Final = {
            index: BoundedCurve(index, curve, inf)
            for index, curve in enumerate(curves)
            if not curve.is_empty
        }
        self._all_pools: Final = dict(self._pools)
        self._caps: Final[dict[int, float]] = {}

    def find(self) -> Parts | None:
        """Find the parts that pay most, less the cost of legs; ``None`` if nothing quotes."""
        terms = self._terms
        choice, parts = self._find_quoted_parts(terms.legs_max)
        candidates = [parts]
        if choice is not None and len(parts) > 1:
            candidates = [self._improve(choice, parts)]
            if not self._are_as_traced(parts):
                # What the curves miss may be a cost of each leg, such as the most of a fee.
                candidates += self._list_smaller(len(parts))
        best, best_value = None, -inf
        for each in (*self._list_singles(choice, parts), *candidates):
            value = self._compute_value(each)
            if each and value > best_value:
                best, best_value = each, value
        return best

    def _list_smaller(self, legs: int) -> Iterator[Parts]:
        """The best parts with fewer legs, of two at least."""
        for legs_max in range(legs - 1, 1, -1):
            choice, parts = self._find_quoted_parts(legs_max)
            if choice is not None and len(parts) > 1:
                yield self._improve(choice, parts)

    def _find_quoted_parts(self, legs_max: int) -> tuple[PoolChoice | None, Parts]:
        """The parts of the best choice of pools all of which quote theirs."""
        terms = self._terms
        # A leg that gains less than a base unit gains nothing.
        cost = max(terms.leg_cost, 1)
        for _ in range(_ROUNDS_MAX):
            pools = tuple(self._pools.values())
            if not pools:
                break
            choice = choose_pools(pools, terms.amount_in, legs_max, cost)
            if choice is None:
                break
            if self._cap_parts(choice):
                continue
            parts = _round_parts(choice, terms.amount_in)
            failing = [n for n, amount in parts.items() if self._quotes.find(n, amount) is None]
            if not failing:
                return choice, parts
            for index in failing:
                self._bound(index, parts[index])
        return None, {}

    def _cap_parts(self, choice: PoolChoice) -> bool:
        """Bound the pools whose parts have too high a price impact; whether there are any."""
        cap_bps = self._terms.max_price_impact_bps
        if cap_bps is None:
            return False
        is_capped = False
        for pool, amount in zip(choice.pools, choice.allocation.amounts, strict=True):
            limit = pool.curve.find_capped_amount(cap_bps, amount)
            if limit < amount:
                self._caps[pool.number] = limit
                self._pools[pool.number] = pool._replace(limit=limit)
                is_capped = True
        return is_capped

    def _bound(self, index: int, amount: int) -> None:
        """Bound a pool that does not quote an amount by what it quotes, or drop it."""
        limit = self._find_limit(index, amount)
        if limit:
            self._pools[index] = self._pools[index]._replace(limit=float(limit))
        else:
            del self._pools[index]

    def _find_limit(self, index: int, amount: int) -> int:
        """A large amount that a pool quotes, below one that it does not; 0 if there is none."""
        if not self._quotes.may_take_less(index, amount):
            return 0
        high = amount
        for shrink in _SHRINKS:
            low = min(int(amount * (1 - shrink)), high - 1)
            if low <= 0:
                return 0
            if self._quotes.find(index, low) is not None:
                break
            high = low
        else:
            return 0
        for _ in range(_HALVINGS):
            middle = (low + high) // 2
            if self._quotes.find(index, middle) is None:
                high = middle
            else:
                low = middle
        return low

    def _improve(self, choice: PoolChoice, parts: Parts) -> Parts:
        """Exchange chunks where the curves are not exact enough, or a base unit matters."""
        amount, root = self._terms.amount_in, choice.allocation.root
        out = sum(self._quotes.compute_out(*part) or 0 for part in parts.items())
        if not self._are_as_traced(parts):
            plan = ChunkPlan(max(amount // 16, 1), amount // 1_000_000, 40)
            parts = exchange_chunks(parts, self._quotes, plan)
        if out <= _ROUNDING_OUT_MAX:
            # What one base unit out costs, and a part of it.
            unit = max(int(root * root), 1)
            parts = exchange_chunks(parts, self._quotes, ChunkPlan(unit, unit // 4, 12))
        return parts

    def _are_as_traced(self, parts: Parts) -> bool:
        """Whether pools pay what their curves say, apart from the rounding of each piece."""
        for index, amount in parts.items():
            curve = self._pools[index].curve
            traced, out = curve.compute_out(amount), self._quotes.compute_out(index, amount) or 0
            units = _MISMATCH_UNITS + 3 * curve.count_pieces(amount)
            if abs(traced - out) > _MISMATCH * out + units:
                return False
        return True

    def _list_singles(self, choice: PoolChoice | None, parts: Parts) -> list[Parts]:
        """The whole amount for each pool alone that may pay more than ``parts``."""
        amount = self._terms.amount_in
        bar = -inf if choice is None else self._find_bar(choice, parts)
        singles: list[Parts] = []
        for index, pool in self._all_pools.items():
            if parts.keys() == {index} or not self._may_pay(pool, choice, bar):
                continue
            if self._quotes.find(index, amount) is not None:
                singles.append({index: amount})
        return singles

    def _may_pay(self, pool: BoundedCurve, choice: PoolChoice | None, bar: float) -> bool:
        """Whether a pool may take the whole amount and pay ``bar`` for it, as its curve has it."""
        amount = self._terms.amount_in
        least = amount * (1 - _NEARLY)
        if self._caps.get(pool.number, inf) < least:
            return False
        if choice is not None and bar > -inf:
            root = choice.allocation.root
            if amount / (root * root) + pool.compute_surplus(root) < bar:
                return False
        return pool.curve.takes(least) and pool.curve.compute_out(amount) >= bar

    def _find_bar(self, choice: PoolChoice, parts: Parts) -> float:
        """What a single pool must pay, as its curve has it, to be quoted; -∞ for all of them."""
        value = self._compute_value(parts)
        is_exact = abs(choice.value - value) <= _TRUST * value / 2
        return value * (1 - _TRUST) if is_exact and value >= _TRUSTED_OUT_MIN else -inf

    def _compute_value(self, parts: Parts) -> float:
        """What parts pay less the cost of each leg but the first."""
        out = 0
        for index, amount in parts.items():
            own = self._quotes.compute_out(index, amount)
            if own is None:
                return -inf
            out += own
        return out - self._terms.leg_cost * (len(parts) - 1)


def _round_parts(choice: PoolChoice, amount_in: int) -> dict[int, int]:
    """Round the parts down, and give the rest to the largest that can take it."""
    parts = {
        pool.number: int(amount)
        for pool, amount in zip(choice.pools, choice.allocation.amounts, strict=True)
        if amount >= 1
    }
    if not parts:
        parts = {choice.pools[0].number: 0}
    rest = amount_in - sum(parts.values())
    order = sorted(parts, key=lambda index: (-parts[index], index))
    pools = {pool.number: pool for pool in choice.pools}
    for index in order:
        total = parts[index] + rest
        if total <= pools[index].limit and pools[index].curve.takes(total):
            break
    else:
        index = order[0]
    parts[index] += rest
    return parts
