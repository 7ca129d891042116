"""The chain's time: slots, block heights and blockhashes, all derived and never counted.

A block is made every slot whether anything happens in it or not, so nothing has to run while
nothing happens: the slot is how much chain time has passed, the height is the slot less those
that were skipped or forgotten, and a blockhash is a function of its height that can be checked
without a list of those that were given out. Only what disturbs this is state, and it is small:
time that was skipped, a halt, and the forks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from solders.hash import Hash

from backend.simulator.options import BLOCKHASH_BLOCKS

_FIRST_SLOT: Final = 1_000
_STAMP_BYTES: Final = 8
_HEIGHTS_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Course:
    """What decides the slot besides the time of day; it is stored whenever it changes.

    ``forks`` are the heights from which blocks were forgotten, oldest first; ``skipped`` slots
    have no block.
    """

    born_at: float
    ahead_s: float = 0
    halted_at: float | None = None
    skipped: int = 0
    forks: tuple[int, ...] = ()


class ChainClock:
    """Slots by the time that ``now`` tells, in seconds since 1970."""

    def __init__(self, course: Course, slot_s: float, seed: int, now: Callable[[], float]) -> None:
        self.course = course
        self._slot_s = slot_s
        self._salt = sha256(b"blockhash %d" % seed).digest()
        self._now = now
        self._least = _FIRST_SLOT
        self._heights: dict[Hash, int] = {}

    def never_before(self, slot: int) -> None:
        """The slot is at least this one from now on, whatever the time of day says."""
        self._least = max(self._least, slot)

    def time(self) -> float:
        """Chain time in seconds: it stands while the chain is halted and jumps when it skips."""
        course = self.course
        real = self._now() if course.halted_at is None else course.halted_at
        return real + course.ahead_s

    def slot(self) -> int:
        """The slot under way."""
        since = self.time() - self.course.born_at
        self._least = max(self._least, _FIRST_SLOT + int(since / self._slot_s))
        return self._least

    def height(self, slot: int) -> int:
        """The height of the block of a slot."""
        return slot - self.course.skipped

    def unix_time(self, slot: int) -> int:
        """When a slot began, in whole seconds since 1970."""
        return int(self.course.born_at + (slot - _FIRST_SLOT) * self._slot_s)

    def milliseconds(self, slot: int) -> int:
        """How much chain time lies before a slot."""
        return round((slot - _FIRST_SLOT) * self._slot_s * 1_000)

    def next_slot_at(self, time: float) -> float:
        """The chain time at which the first slot after ``time`` begins."""
        passed = int((time - self.course.born_at) / self._slot_s) + 1
        return self.course.born_at + passed * self._slot_s

    def skip(self, blocks: int) -> None:
        """As many empty blocks pass at once."""
        self.course = replace(self.course, ahead_s=self.course.ahead_s + blocks * self._slot_s)

    def halt(self) -> None:
        """No slot ends until ``resume``."""
        if self.course.halted_at is None:
            self.course = replace(self.course, halted_at=self._now())

    def resume(self) -> None:
        """Slots go on where they stopped."""
        halted_at = self.course.halted_at
        if halted_at is not None:
            ahead_s = self.course.ahead_s - (self._now() - halted_at)
            self.course = replace(self.course, halted_at=None, ahead_s=ahead_s)

    def fork(self, blocks: int) -> None:
        """The last ``blocks`` blocks never were: heights and blockhashes from there are new."""
        kept = self.height(self.slot()) - blocks
        self._heights.clear()
        self.course = replace(
            self.course,
            skipped=self.course.skipped + blocks,
            forks=(*self.course.forks, kept + 1),
        )

    def blockhash(self, height: int) -> Hash:
        """The hash of the block of a height, as the chain is now."""
        forks = sum(1 for first in self.course.forks if first <= height)
        stamp = height.to_bytes(_STAMP_BYTES, "little")
        digest = sha256(self._salt + forks.to_bytes(4, "little") + stamp).digest()
        return Hash(digest[:-_STAMP_BYTES] + stamp)

    def height_of(self, blockhash: Hash) -> int | None:
        """The height of the block with this hash; ``None`` if no block of this chain has it."""
        height = self._heights.get(blockhash)
        if height is None:
            height = int.from_bytes(bytes(blockhash)[-_STAMP_BYTES:], "little")
            if height > self.height(self.slot()) or self.blockhash(height) != blockhash:
                return None
            if len(self._heights) >= _HEIGHTS_MAX:
                self._heights.clear()
            self._heights[blockhash] = height
        return height

    def is_valid(self, blockhash: Hash, slot: int) -> bool:
        """Whether a transaction with this blockhash may land in a slot."""
        height = self.height_of(blockhash)
        return height is not None and self.height(slot) <= height + BLOCKHASH_BLOCKS
