"""A pool's curve in floating point, piece by piece, for who searches a good split over pools.

It is what a pool pays apart from rounding: close enough to search with, never to promise. A fee
that does not rise in proportion to the amount is taken at its highest rate.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

_LEVEL_DEPTH: Final = 1e8
"""Virtual reserves of a constant price, as a multiple of what it takes: it bends by 10⁻⁸."""


class KeptShares(NamedTuple):
    """The shares of what is paid in and of what is paid out that remain after all fees."""

    of_in: float = 1.0
    of_out: float = 1.0

    def after_fee(self, rate: float, *, is_on_input: bool) -> KeptShares:
        """The shares after one more fee, whose rate is a fraction."""
        if is_on_input:
            return KeptShares(self.of_in * (1 - rate), self.of_out)
        return KeptShares(self.of_in, self.of_out * (1 - rate))


class CurveSegment(NamedTuple):
    """A piece of a curve on which x · y = k, with virtual reserves at its beginning.

    For a net amount in, after the fee on it, it pays ``reserve_out · net / (reserve_in + net)``
    before the fee on the output. It takes at most ``net_in``.
    """

    reserve_in: float
    reserve_out: float
    kept: KeptShares
    net_in: float = inf


def make_level_segment(price: float, net_in: float, kept: KeptShares) -> CurveSegment:
    """Make the segment of a constant price, of the token out for one of the token in."""
    reserve_in = net_in * _LEVEL_DEPTH
    return CurveSegment(reserve_in, reserve_in * price, kept, net_in)
