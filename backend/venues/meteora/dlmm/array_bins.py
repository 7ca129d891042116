"""The bins of a pair, from as many of its bin arrays as were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.bit_line import BitLine
from backend.venues.meteora.dlmm.bin_array import (
    ARRAY_BINS,
    Bin,
    BinArray,
    BinDepth,
    derive_array_address,
)
from backend.venues.venue import AccountsMissing

SWAP_ARRAYS_MAX: Final = 8
"""Most bin arrays of one swap, so that its transaction has room for other accounts."""
SWAP_BINS_MAX: Final = 250
"""Most bins of one swap: more do not fit 1.4 million compute units."""
SPARE_ARRAYS: Final = 2
"""Arrays beyond those that a quote needs: the price may move before its swap lands."""
_READ_AHEAD: Final = 3


class ArrayBins:
    """The bins that one swap meets; ``visited`` are the indexes of the arrays that it reads."""

    def __init__(
        self,
        program: Pubkey,
        pool: Pubkey,
        bounds: tuple[int, int],
        line: BitLine,
        arrays: Mapping[int, BinArray],
    ) -> None:
        self.visited: Final[dict[int, None]] = {}
        self._program: Final = program
        self._pool: Final = pool
        self._bounds: Final = bounds
        self._line: Final = line
        self._arrays: Final = arrays
        self._count = 0

    @property
    def position(self) -> tuple[int, tuple[int, ...]]:
        """How many bins the swap has met, and which arrays."""
        return self._count, tuple(self.visited)

    @position.setter
    def position(self, position: tuple[int, tuple[int, ...]]) -> None:
        """Go on from where another swap of the same bins was."""
        self._count, visited = position
        self.visited.update(dict.fromkeys(visited))

    def find_next(
        self, bin_id: int, *, swap_for_y: bool, with_orders: bool
    ) -> tuple[int, BinDepth]:
        """Find the first bin from ``bin_id`` on that pays something, itself included.

        Raises ``Rejected`` (``no_liquidity``, ``amount_too_large``) and ``AccountsMissing``.
        """
        step = -1 if swap_for_y else 1
        index: int | None = bin_id // ARRAY_BINS
        while index is not None:
            index = self._line.find_next(index, upwards=not swap_for_y)
            if index is None:
                break
            array = self._get_array(index, swap_for_y)
            # Across a gap between arrays the next bin is at the edge of the next array.
            last = array.first + ARRAY_BINS - 1
            bin_id = min(bin_id, last) if swap_for_y else max(bin_id, array.first)
            while array.first <= bin_id <= last:
                self._count_bin(bin_id)
                found = array.get_depth(bin_id)
                if found.has_output(swap_for_y=swap_for_y, with_orders=with_orders):
                    return bin_id, found
                bin_id += step
            index += step
        raise Rejected("no_liquidity", "the pool has no liquidity beyond its last bin")

    def _count_bin(self, bin_id: int) -> None:
        low, high = self._bounds
        if not low <= bin_id <= high:
            raise Rejected("no_liquidity", "the pool has no bins beyond this price")
        self._count += 1
        if self._count > SWAP_BINS_MAX:
            raise Rejected("amount_too_large", "the swap would cross too many bins at once")

    def _get_array(self, index: int, swap_for_y: bool) -> BinArray:
        if index not in self.visited:
            self.visited[index] = None
            if len(self.visited) > SWAP_ARRAYS_MAX:
                reason = "the swap would need too many bin arrays for one transaction"
                raise Rejected("amount_too_large", reason)
        array = self._arrays.get(index)
        if array is None:
            missing = self._line.list_next(index, _READ_AHEAD, upwards=not swap_for_y)
            keys = [
                derive_array_address(self._program, self._pool, each)
                for each in missing
                if each not in self._arrays
            ]
            raise AccountsMissing(self._pool, keys)
        return array


def change_bins(arrays: Mapping[int, BinArray], bins: Mapping[int, Bin]) -> Mapping[int, BinArray]:
    """Change bins of arrays that are known."""
    changed = dict(arrays)
    for index in {bin_id // ARRAY_BINS for bin_id in bins}:
        own = {n: each for n, each in bins.items() if n // ARRAY_BINS == index}
        changed[index] = changed[index].with_bins(own)
    return changed


def add_spare_arrays(
    arrays: Sequence[int], active_id: int, line: BitLine, *, upwards: bool
) -> list[int]:
    """Add some arrays that a swap does not read yet; ``active_id`` is the bin of the price now."""
    following = arrays[-1] + (1 if upwards else -1) if arrays else active_id // ARRAY_BINS
    spare = min(SPARE_ARRAYS, SWAP_ARRAYS_MAX - len(arrays))
    return [*arrays, *line.list_next(following, spare, upwards=upwards)]
