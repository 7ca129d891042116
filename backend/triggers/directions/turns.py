"""Whose turn it is to be judged: a restricted direction costs a look in every slot.

Clients choose how many of them there are: above a number of them, they are judged in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from backend.triggers.directions.direction import Direction

RESTRICTED_MAX: Final = 250
"""Most restricted directions that are judged in one slot: some hundredths of a second of a core."""


class DirectionTurns:
    """Which directions are judged in a slot: all over every pool, and so many restricted ones."""

    def __init__(self, restricted_max: int = RESTRICTED_MAX) -> None:
        self._restricted_max = restricted_max
        self._queue: dict[Direction, None] = {}
        """The restricted directions, those first that were judged the longest ago."""

    def take(self, directions: Sequence[Direction]) -> list[Direction]:
        """Those of some directions that are judged next, of which there may be others each time."""
        restricted = {each: None for each in directions if each.allowed is not None}
        if len(restricted) <= self._restricted_max:
            self._queue = restricted
            return list(directions)
        queue = {each: None for each in self._queue if each in restricted}
        queue |= restricted  # what is new comes last: it was judged as it came
        taken = list(islice(queue, self._restricted_max))
        for each in taken:
            del queue[each]
        self._queue = queue | dict.fromkeys(taken)
        return [each for each in directions if each.allowed is None] + taken
