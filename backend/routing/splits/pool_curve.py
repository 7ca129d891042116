"""What one pool pays in floating point, traced as far as it is asked for.

Along x · y = k the amount in is linear in the *root*: √ of what the next base unit out costs, in
base units in. So the amounts that several pools take at one price are sums of linear pieces.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from math import inf, sqrt
from typing import Final, NamedTuple

from backend.domain.amounts import BPS
from backend.venues.curve_segment import CurveSegment


class CurvePoint(NamedTuple):
    """What a pool takes at a root, how much more for each unit of it, and up to which root."""

    amount_in: float
    slope: float
    following: float


class PoolCurve:
    """The pieces of a pool's curve; amounts include all fees.

    Where the price gets better with the amount, which only changing fees can do, the next piece is
    treated as if it began at the price before: amounts out stay right.
    """

    def __init__(self, segments: Iterator[CurveSegment]) -> None:
        self._segments: Final = segments
        self._pieces: Final[list[CurveSegment]] = []
        self._starts: Final[list[float]] = []
        self._ends: Final[list[float]] = []
        self._slopes: Final[list[float]] = []
        self._reserves: Final[list[tuple[float, float]]] = []
        self._amounts: Final = [0.0]
        self._outs: Final = [0.0]
        self._end = -inf
        self._is_complete = False
        self._extend()

    @property
    def is_empty(self) -> bool:
        """Whether the pool pays for nothing at all."""
        return not self._pieces

    @property
    def first_root(self) -> float:
        """The root at which the pool begins to pay."""
        return self._starts[0]

    @property
    def is_endless(self) -> bool:
        """Whether the first piece takes any amount."""
        return self._amounts[1] == inf

    def count_pieces(self, amount: float) -> int:
        """Count the pieces that an amount passes through, as far as they were traced."""
        return bisect_left(self._amounts, amount, hi=len(self._pieces))

    def measure(self, root: float) -> CurvePoint:
        """Measure what the pool takes at a root."""
        while self._end <= root and not self._is_complete:
            self._extend()
        at = bisect_right(self._starts, root) - 1
        if at < 0:
            return CurvePoint(0.0, 0.0, self._starts[0])
        slope, end_amount = self._slopes[at], self._amounts[at + 1]
        amount = self._amounts[at] + slope * (root - self._starts[at])
        if amount < end_amount:
            return CurvePoint(amount, slope, self._ends[at])
        following = self._starts[at + 1] if at + 1 < len(self._starts) else inf
        return CurvePoint(end_amount, 0.0, following)

    def find_root(self, amount: float, root_max: float) -> float:
        """Find the root at which the pool takes ``amount``; infinite if that is not reached."""
        while self._amounts[-1] < amount and self._end < root_max and not self._is_complete:
            self._extend()
        if self._amounts[-1] < amount:
            return inf
        at = max(bisect_right(self._amounts, amount) - 1, 0)
        if at == len(self._starts):
            return self._ends[-1]
        return self._starts[at] + (amount - self._amounts[at]) / self._slopes[at]

    def find_end(self) -> tuple[float, float]:
        """The root and the amount at which the pool, which was traced to there, ends."""
        return self._end, self._amounts[-1]

    def compute_out(self, amount: float) -> float:
        """Compute what the pool pays for ``amount``, or for as much of it as it takes."""
        while self._amounts[-1] < amount and not self._is_complete:
            self._extend()
        if amount >= self._amounts[-1]:
            return self._outs[-1]
        at = bisect_right(self._amounts, amount) - 1
        reserve_in, reserve_out = self._reserves[at]
        rest = amount - self._amounts[at]
        return self._outs[at] + reserve_out * rest / (reserve_in + rest)

    def takes(self, amount: float) -> bool:
        """Whether the pool takes ``amount``."""
        while self._amounts[-1] < amount and not self._is_complete:
            self._extend()
        return self._amounts[-1] >= amount

    def find_capped_amount(self, cap_bps: int, amount_max: float) -> float:
        """Find the amount up to which the price impact is at most ``cap_bps`` basis points.

        It is infinite if that is more than ``amount_max``, and the curve is not traced further.
        """
        first = self._pieces[0]
        price = first.reserve_out / first.reserve_in * (1 - cap_bps / BPS)
        net = gross = 0.0
        at = 0
        while self._amounts[at] < amount_max:
            if at == len(self._pieces):
                self._extend()
                if self._is_complete:
                    break
            piece = self._pieces[at]
            end_gross = gross + _compute_gross(piece)
            if end_gross < price * (net + piece.net_in):
                rest = _solve_capped(piece, price, net, gross) / piece.kept.of_in
                found = self._amounts[at] + rest
                return found if found < amount_max else inf
            net, gross = net + piece.net_in, end_gross
            at += 1
        return inf

    def _extend(self) -> None:
        """Trace one more piece."""
        piece = next(self._segments, None)
        while piece is not None and not piece.net_in > 0:
            piece = next(self._segments, None)
        if piece is None:
            self._is_complete = True
            return
        of_in, of_out = piece.kept
        if not (of_in > 0 and of_out > 0):  # fees take all of it
            self._is_complete = True
            return
        reserve_in, reserve_out = piece.reserve_in / of_in, piece.reserve_out * of_out
        amount = piece.net_in / of_in
        slope = sqrt(reserve_in * reserve_out)
        start = max(sqrt(reserve_in / reserve_out), self._end)
        self._pieces.append(piece)
        self._reserves.append((reserve_in, reserve_out))
        self._starts.append(start)
        self._slopes.append(slope)
        self._end = start + amount / slope
        self._ends.append(self._end)
        self._amounts.append(self._amounts[-1] + amount)
        self._outs.append(self._outs[-1] + _compute_gross(piece) * of_out)


def _compute_gross(piece: CurveSegment) -> float:
    """What a whole piece pays before the fee on the output."""
    if piece.net_in == inf:
        return piece.reserve_out
    return piece.reserve_out * piece.net_in / (piece.reserve_in + piece.net_in)


def _solve_capped(piece: CurveSegment, price: float, net: float, gross: float) -> float:
    """The net amount n of a piece after which the mean price since the beginning is ``price``.

    gross + y·n / (x + n) = price · (net + n), a quadratic equation in n with one positive solution.
    """
    b = price * (piece.reserve_in + net) - piece.reserve_out - gross
    c = min((price * net - gross) * piece.reserve_in, 0.0)
    root = sqrt(b * b - 4 * price * c)
    return -2 * c / (b + root) if b > 0 else (root - b) / (2 * price)
