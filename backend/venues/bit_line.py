"""Which of a pool's numbered accounts are in use: several bitmaps as one line of bits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BitLine:
    """A line of bits whose least significant one has the index ``first``, which may be negative."""

    bits: int
    first: int

    def has(self, index: int) -> bool:
        """Whether the bit is set; no bit outside of the line is."""
        at = index - self.first
        return at >= 0 and bool(self.bits >> at & 1)

    def find_next(self, index: int, *, upwards: bool) -> int | None:
        """Find the nearest set bit from ``index`` on, itself included."""
        at = index - self.first
        if upwards:
            rest = self.bits >> max(at, 0)
            return max(index, self.first) + (rest & -rest).bit_length() - 1 if rest else None
        rest = self.bits & ((1 << at + 1) - 1) if at >= 0 else 0
        return self.first + rest.bit_length() - 1 if rest else None

    def list_next(self, index: int, count: int, *, upwards: bool) -> list[int]:
        """List at most ``count`` set bits from ``index`` on, the nearest first."""
        found: list[int] = []
        step = 1 if upwards else -1
        following = self.find_next(index, upwards=upwards)
        while following is not None and len(found) < count:
            found.append(following)
            following = self.find_next(following + step, upwards=upwards)
        return found

    def without(self, index: int) -> BitLine:
        """The line with one bit cleared."""
        return BitLine(self.bits & ~(1 << index - self.first), self.first)
