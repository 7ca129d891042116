"""What inclusion in a block costs: a price of the compute unit, below which transactions wait.

It is in memory only, as the mempool is; a chain starts with blocks that have room for all.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

_BPS: Final = 10_000
_STEPS_MAX: Final = 1_000


class _PriceStep(NamedTuple):
    """The price from a slot on, in micro-lamports per unit, and how far it moves by slot."""

    slot: int
    unit_price: int
    wander_bps: int


class InclusionPrices:
    """The going price of a compute unit by slot: a function of ``seed`` and what was set."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._steps: list[_PriceStep] = []

    def set_price(self, slot: int, unit_price: int, wander_bps: int) -> None:
        """Let inclusion cost about ``unit_price`` from a slot on; 0 lets all transactions in."""
        self._steps = [step for step in self._steps if step.slot < slot][-_STEPS_MAX:]
        self._steps.append(_PriceStep(slot, unit_price, wander_bps))

    def get_price(self, slot: int) -> int:
        """The least price of a transaction in the block of a slot."""
        for step in reversed(self._steps):
            if step.slot <= slot:
                return self._move(step, slot)
        return 0

    def _move(self, step: _PriceStep, slot: int) -> int:
        if not step.unit_price or not step.wander_bps:
            return step.unit_price
        random = Random(f"{self._seed} {slot}")  # noqa: S311 - repeatable, not a secret
        moved_bps = random.randint(-step.wander_bps, step.wander_bps)
        return step.unit_price * (_BPS + moved_bps) // _BPS
