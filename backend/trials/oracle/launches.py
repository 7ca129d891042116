"""Which launched pool a sniper order should buy from, and from when on, as its replay has it.

It is written from the documents alone: by what a pool was launched with, and by the chain's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from backend.domain.waiting.guards import Guards
from backend.trials.audit.launch_rules import find_guard_failures
from backend.trials.audit.records import LaunchedPoolTraits
from backend.trials.oracle.orders import DrawnOrder
from backend.trials.oracle.path import find_best_price
from backend.venues.venue import Pool


@dataclass(frozen=True, slots=True)
class LaunchedPool:
    """A pool that was launched in a step of the path, and opens at a time by the chain's clock.

    ``pool`` is its state once it is open: nobody trades in it, and it follows no market.
    """

    step: int
    opens_at: int
    traits: LaunchedPoolTraits
    pool: Pool


@dataclass(frozen=True, slots=True)
class DrawnSniper(DrawnOrder):
    """A sniper order; ``launched`` are the pools of its pair, which are known after the run."""

    guards: Guards = field(default_factory=Guards)
    launched: Sequence[LaunchedPool] = ()

    def find_offer(self, step: int, time: int, pool: str | None = None) -> Fraction | None:
        """What the best pool pays in a step that is open then, and passes the guards.

        ``pool`` is the only one that is asked.
        """
        return self._find_best(self._list_passing(step, time), pool)

    def find_known_offer(self, step: int, time: int) -> Fraction | None:
        """The same of the pools that were there before this step: others may be found after it."""
        return self._find_best(each for each in self._list_passing(step, time) if each.step < step)

    def _find_best(self, pools: Iterable[LaunchedPool], only: str | None = None) -> Fraction | None:
        token_in, cap_bps = self.direction[0], self.rule.cap_bps
        found = (each.pool for each in pools)
        asked = None if only is None else {only}
        return find_best_price(found, token_in, self.amount_in, cap_bps, asked)

    def _list_passing(self, step: int, time: int) -> Iterator[LaunchedPool]:
        oldest = self.guards.max_pool_age_s
        for each in self.launched:
            is_open = each.step <= step and each.opens_at <= time
            is_young = oldest is None or time - each.opens_at <= oldest
            if is_open and is_young and not any(find_guard_failures(self.guards, each.traits)):
                yield each
