"""The clock of the chain: slots, block heights and blockhashes, all derived from the time.

Every slot has a block, empty or not, so an idle chain needs no running task: the slot follows from
the chain time that has elapsed, the height is the slot minus the slots that were rolled back, and
a blockhash is a function of its height, which can be verified without a list of issued
blockhashes. Only the deviations are state, and they are small: skipped time, a halt, and the
forks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from solders.hash import Hash

from backend.simulator.options import BLOCKHASH_BLOCKS

_FIRST_SLOT: Final = 1_000
_HEIGHT_BYTES: Final = 8
_HEIGHT_CACHE_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class ClockState:
    """What determines the slot besides the time of day; it is stored after every change.

    ``forks`` are the heights from which blocks were rolled back, oldest first; ``skipped`` is the
    number of slots without a block. The field names are those of the stored JSON.
    """

    born_at: float
    ahead_s: float = 0
    halted_at: float | None = None
    skipped: int = 0
    forks: tuple[int, ...] = ()


class ChainClock:
    """Slots, heights and blockhashes at the time ``now``, in seconds since 1970."""

    def __init__(
        self, state: ClockState, slot_s: float, seed: int, now: Callable[[], float]
    ) -> None:
        self.state = state
        self._slot_s = slot_s
        self._blockhash_salt = sha256(b"blockhash %d" % seed).digest()
        self._now = now
        self._slot_min = _FIRST_SLOT
        self._heights: dict[Hash, int] = {}

    def raise_slot_min(self, slot: int) -> None:
        """Never return a slot before this one, even if the time of day has gone back."""
        self._slot_min = max(self._slot_min, slot)

    def time(self) -> float:
        """Chain time in seconds: stopped during a halt, and ahead by the skipped blocks."""
        state = self.state
        real_time = self._now() if state.halted_at is None else state.halted_at
        return real_time + state.ahead_s

    def slot(self) -> int:
        """The current slot."""
        elapsed_s = self.time() - self.state.born_at
        self._slot_min = max(self._slot_min, _FIRST_SLOT + int(elapsed_s / self._slot_s))
        return self._slot_min

    def height(self, slot: int) -> int:
        """The block height at a slot."""
        return slot - self.state.skipped

    def unix_time(self, slot: int) -> int:
        """The start of a slot, in whole seconds since 1970."""
        return int(self.state.born_at + (slot - _FIRST_SLOT) * self._slot_s)

    def elapsed_ms(self, slot: int) -> int:
        """Chain time between the first slot and a slot, in milliseconds."""
        return round((slot - _FIRST_SLOT) * self._slot_s * 1_000)

    def next_slot_time(self, time: float) -> float:
        """The chain time at which the first slot after ``time`` starts."""
        elapsed_slots = int((time - self.state.born_at) / self._slot_s) + 1
        return self.state.born_at + elapsed_slots * self._slot_s

    def skip_blocks(self, blocks: int) -> None:
        """Let a number of empty blocks pass at once."""
        self.state = replace(self.state, ahead_s=self.state.ahead_s + blocks * self._slot_s)

    def halt(self) -> None:
        """Stop the current slot from ending until ``resume``."""
        if self.state.halted_at is None:
            self.state = replace(self.state, halted_at=self._now())

    def resume(self) -> None:
        """Continue from the slot at which the chain was halted."""
        halted_at = self.state.halted_at
        if halted_at is not None:
            ahead_s = self.state.ahead_s - (self._now() - halted_at)
            self.state = replace(self.state, halted_at=None, ahead_s=ahead_s)

    def fork(self, blocks: int) -> None:
        """Drop the last ``blocks`` blocks: their heights are reused with new blockhashes."""
        last_height = self.height(self.slot()) - blocks
        self._heights.clear()
        self.state = replace(
            self.state,
            skipped=self.state.skipped + blocks,
            forks=(*self.state.forks, last_height + 1),
        )

    def blockhash(self, height: int) -> Hash:
        """The blockhash at a height, on the current fork."""
        forks = sum(1 for fork_height in self.state.forks if fork_height <= height)
        height_bytes = height.to_bytes(_HEIGHT_BYTES, "little")
        digest = sha256(self._blockhash_salt + forks.to_bytes(4, "little") + height_bytes).digest()
        return Hash(digest[:-_HEIGHT_BYTES] + height_bytes)

    def find_height(self, blockhash: Hash) -> int | None:
        """The height of the block with this hash; ``None`` if no block of this fork has it."""
        height = self._heights.get(blockhash)
        if height is None:
            height = int.from_bytes(bytes(blockhash)[-_HEIGHT_BYTES:], "little")
            if height > self.height(self.slot()) or self.blockhash(height) != blockhash:
                return None
            if len(self._heights) >= _HEIGHT_CACHE_MAX:
                self._heights.clear()
            self._heights[blockhash] = height
        return height

    def is_blockhash_valid(self, blockhash: Hash, slot: int) -> bool:
        """Whether a transaction with this blockhash can land in a slot."""
        height = self.find_height(blockhash)
        return height is not None and self.height(slot) <= height + BLOCKHASH_BLOCKS
