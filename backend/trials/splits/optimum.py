"""The best split by brute force: exact quotes alone, without any idea of the pools' curves."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from backend.domain.errors import EngineError
from backend.trials.splits.states import SplitCase

_FIRST_CHUNKS: Final = 48
_HALVINGS: Final = 24
_NEARLY: Final = 1e-6


class Optimum:
    """The search for one case; each quote is asked for once."""

    def __init__(self, case: SplitCase) -> None:
        self._case: Final = case
        self._outs: Final[dict[tuple[int, int], int | None]] = {}
        self._best = -inf

    def find_best_single(self) -> int | None:
        """What the best single pool pays for the whole amount; ``None`` if none does."""
        amount = self._case.amount_in
        outs = [self._quote(n, amount) for n in range(len(self._case.pools))]
        return max((out for out in outs if out is not None), default=None)

    def find(self, good_enough: float) -> float | None:
        """Find the most that so many legs pay, less the cost of all legs but the first.

        Sets of pools that pay no more than ``good_enough`` are not searched further: their subsets
        pay no more than they. ``None`` if no split is found.
        """
        single = self.find_best_single()
        self._best = -inf if single is None else single
        self._explore(tuple(range(len(self._case.pools))), 0, good_enough)
        return None if self._best == -inf else self._best

    def _explore(self, members: tuple[int, ...], kept: int, good_enough: float) -> None:
        """Search a set, and those without one of its pools but the first ``kept``."""
        found = self._climb(members)
        if found is None:
            return
        case, (out, legs) = self._case, found
        if legs <= case.legs_max:
            self._best = max(self._best, out - case.leg_cost * (legs - 1))
        if out - case.leg_cost <= max(good_enough, self._best) or len(members) == 2:
            return
        for n in range(kept, len(members)):
            self._explore((*members[:n], *members[n + 1 :]), n, good_enough)

    def _climb(self, members: Sequence[int]) -> tuple[int, int] | None:
        """What these pools pay together, and how many of them are used."""
        amount = self._case.amount_in
        parts = self._fill(members)
        if parts is None:
            return None
        chunk = max(amount // _FIRST_CHUNKS, 1)
        for _ in range(_HALVINGS):
            while self._move(parts, chunk):
                pass
            if chunk <= max(amount * _NEARLY * 0.01, 1):
                break
            chunk = max(chunk // 2, 1)
        outs = [self._quote(n, part) for n, part in parts.items() if part]
        return sum(out or 0 for out in outs), len(outs)

    def _fill(self, members: Sequence[int]) -> dict[int, int] | None:
        """Give chunk after chunk to the pool that pays most for it."""
        parts = dict.fromkeys(members, 0)
        left = self._case.amount_in
        chunk = max(left // _FIRST_CHUNKS, 1)
        while left:
            size = min(chunk, left)
            gains = [
                (more - (self._quote(n, part) or 0), -n)
                for n, part in parts.items()
                if (more := self._quote(n, part + size)) is not None
            ]
            if not gains:
                if chunk == 1 or chunk <= self._case.amount_in * _NEARLY:
                    return None
                chunk = max(chunk // 2, 1)
                continue
            parts[-max(gains)[1]] += size
            left -= size
        return parts

    def _move(self, parts: dict[int, int], chunk: int) -> bool:
        """Move a chunk from the pool that loses least to the one that gains most, if that gains."""
        best = (0, 0, 0, 0)
        for source, part in parts.items():
            size = min(part, chunk)
            if not size:
                continue
            less = self._quote(source, part - size)
            if less is None:
                continue
            lost = (self._quote(source, part) or 0) - less
            for target, other in parts.items():
                more = self._quote(target, other + size) if target != source else None
                if more is not None:
                    gain = more - (self._quote(target, other) or 0) - lost
                    best = max(best, (gain, source, target, size))
        gain, source, target, size = best
        if gain <= 0:
            return False
        parts[source] -= size
        parts[target] += size
        return True

    def _quote(self, index: int, amount: int) -> int | None:
        """What a pool pays; ``None`` if it does not, or not within the cap of the price impact."""
        if not amount:
            return 0
        key = index, amount
        if key not in self._outs:
            self._outs[key] = self._compute(index, amount)
        return self._outs[key]

    def _compute(self, index: int, amount: int) -> int | None:
        case = self._case
        try:
            quote = case.pools[index].quote(case.mint_in, amount)
        except EngineError:
            return None
        cap = case.max_price_impact_bps
        return quote.amount_out if cap is None or quote.is_within_impact(cap) else None
