"""The initialized ticks of a pool, from as many of its tick arrays as were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.bit_line import BitLine
from backend.venues.raydium.clmm.accounts import ARRAY_TICKS, compute_array_index
from backend.venues.raydium.clmm.tick_array import Tick, TickArray, derive_array_address
from backend.venues.venue import AccountsMissing

SWAP_ARRAYS_MAX: Final = 8
"""Most tick arrays of one swap, so that its transaction has room for other accounts."""
SWAP_TICKS_MAX: Final = 60
"""Most ticks of one swap: each takes about 20,000 of 1.4 million compute units."""
SPARE_ARRAYS: Final = 2
"""Arrays beyond those that a quote needs: the price may move before its swap lands."""
_READ_AHEAD: Final = 3


class ArrayTicks:
    """The ticks that one swap meets; ``visited`` are the numbers of the arrays that it reads."""

    def __init__(
        self,
        program: Pubkey,
        pool: Pubkey,
        tick_spacing: int,
        line: BitLine,
        arrays: Mapping[int, TickArray],
        *,
        is_bounded: bool = True,
    ) -> None:
        self.visited: Final[dict[int, None]] = {}
        self._program: Final = program
        self._pool: Final = pool
        self._tick_spacing: Final = tick_spacing
        self._line: Final = line
        self._arrays: Final = arrays
        self._is_bounded: Final = is_bounded
        self._count = 0

    def find_next(self, tick: int, *, zero_for_one: bool) -> Tick:
        """Find the nearest initialized tick at or below ``tick``, or above it if the price rises.

        Raises ``Rejected`` (``no_liquidity``, ``amount_too_large``) and ``AccountsMissing``.
        """
        self._count += 1
        if self._is_bounded and self._count > SWAP_TICKS_MAX:
            raise Rejected("amount_too_large", "the swap would cross too many ticks at once")
        upwards = not zero_for_one
        index: int | None = compute_array_index(tick, self._tick_spacing)
        step = 1 if upwards else -1
        while index is not None:
            index = self._line.find_next(index, upwards=upwards)
            if index is None:
                break
            found = self._get_array(index, upwards).find_tick(tick, upwards=upwards)
            if found is not None:
                return found
            index += step
        raise Rejected("no_liquidity", "the pool has no liquidity beyond its last tick")

    def _get_array(self, index: int, upwards: bool) -> TickArray:
        if index not in self.visited:
            self.visited[index] = None
            if self._is_bounded and len(self.visited) > SWAP_ARRAYS_MAX:
                reason = "the swap would need too many tick arrays for one transaction"
                raise Rejected("amount_too_large", reason)
        array = self._arrays.get(index)
        if array is None:
            missing = self._line.list_next(index, _READ_AHEAD, upwards=upwards)
            count = self._tick_spacing * ARRAY_TICKS
            keys = [
                derive_array_address(self._program, self._pool, each * count)
                for each in missing
                if each not in self._arrays
            ]
            raise AccountsMissing(self._pool, keys)
        return array


def change_ticks(
    arrays: Mapping[int, TickArray], line: BitLine, ticks: Mapping[int, Tick], tick_spacing: int
) -> tuple[Mapping[int, TickArray], BitLine]:
    """Change ticks of arrays that are known; an array without initialized ticks leaves the line."""
    changed = dict(arrays)
    for index in {compute_array_index(tick, tick_spacing) for tick in ticks}:
        own = [t for n, t in ticks.items() if compute_array_index(n, tick_spacing) == index]
        changed[index] = changed[index].with_ticks(own)
        if not changed[index].ticks:
            line = line.without(index)
    return changed, line


def add_spare_arrays(
    arrays: Sequence[int], first: int, line: BitLine, *, upwards: bool
) -> list[int]:
    """Add some arrays that a swap does not read yet; ``first`` is the one of the price now."""
    following = arrays[-1] + (1 if upwards else -1) if arrays else first
    spare = min(SPARE_ARRAYS, SWAP_ARRAYS_MAX - len(arrays))
    return [*arrays, *line.list_next(following, spare, upwards=upwards)]
