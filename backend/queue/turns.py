"""Turns of owners: whose order a worker starts next, whatever each owner has waiting.

An owner's jobs wait here in a line of their own, up to a bound. A job past it is dropped: its order
is in its row, and the owner has a *backlog* from then on, which the worker claims from the rows,
oldest first. So neither the queue nor this memory grows with an owner's orders, and no order waits
behind those of another owner. While an owner has a backlog its new jobs are dropped too, or its
newest orders would pass its oldest.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

OWNER_JOBS_MAX: Final = 1_000
"""More than a worker starts before the next claim from the rows has its answer."""
JOBS_MAX: Final = 10_000

Job = TypeVar("Job")


@dataclass(slots=True)
class _Line(Generic[Job]):
    weight: int
    jobs: deque[Job] = field(default_factory=deque)
    has_backlog: bool = False
    refuses_jobs: bool = False
    marks: int = 0
    """How often the backlog was marked: a claim that began before the last mark may have missed it.
    """
    served: int = 0
    """Orders started in the current turn."""


class Allotment(NamedTuple, Generic[Job]):
    """What to start now: jobs with their owners, and the number of orders to claim by owner."""

    jobs: list[tuple[str, Job]]
    claims: dict[str, int]


class OwnerTurns(Generic[Job]):
    """The jobs and backlogs of all owners, from which orders are taken by turns.

    In each round an owner is given as many places as its weight, 1 unless ``weights`` says more.
    ``changed`` is set when there may be more to start.
    """

    def __init__(
        self,
        weights: Mapping[str, int],
        *,
        owner_jobs_max: int = OWNER_JOBS_MAX,
        jobs_max: int = JOBS_MAX,
    ) -> None:
        self.changed = asyncio.Event()
        self._weights = dict(weights)
        self._owner_jobs_max = owner_jobs_max
        self._jobs_max = jobs_max
        self._jobs_count = 0
        self._lines: OrderedDict[str, _Line[Job]] = OrderedDict()
        self._marks_claimed: dict[str, int] = {}

    @property
    def are_empty(self) -> bool:
        """Whether no owner has a job or a backlog."""
        return not self._lines

    def add(self, owner: str, job: Job) -> bool:
        """Append a job to its owner's line; ``False`` if it is dropped for the owner's backlog."""
        line = self._get_line(owner)
        self.changed.set()
        is_full = len(line.jobs) >= self._owner_jobs_max or self._jobs_count >= self._jobs_max
        if line.refuses_jobs or is_full:
            self._mark(line)
            return False
        line.jobs.append(job)
        self._jobs_count += 1
        return True

    def mark_backlog(self, owner: str) -> None:
        """Have an owner's orders claimed from the rows: some wait there without a job."""
        self._mark(self._get_line(owner))
        self.changed.set()

    def allot(
        self,
        places: int,
        *,
        claims_max: int,
        is_admitted: Callable[[str], bool] = lambda owner: True,
    ) -> Allotment[Job]:
        """Give ``places`` to the owners by turns; those that are not admitted are passed over.

        An owner's jobs come before its backlog, and all backlogs get at most ``claims_max`` of the
        places. Claims are to be settled before there are others.
        """
        jobs: list[tuple[str, Job]] = []
        claims: Counter[str] = Counter()
        passed_over = 0
        while places > 0 and passed_over < len(self._lines):
            owner, line = next(iter(self._lines.items()))
            may_claim = line.has_backlog and claims_max > 0
            if not is_admitted(owner) or not (line.jobs or may_claim):
                self._end_turn(owner, line)
                passed_over += 1
                continue
            passed_over = 0
            places -= 1
            if line.jobs:
                jobs.append((owner, line.jobs.popleft()))
                self._jobs_count -= 1
            else:
                claims[owner] += 1
                claims_max -= 1
            line.served += 1
            if line.served >= line.weight or not (line.jobs or line.has_backlog):
                self._end_turn(owner, line)
        if claims:
            self._marks_claimed = {owner: self._lines[owner].marks for owner in claims}
        return Allotment(jobs, dict(claims))

    def settle_claims(self, claims: Mapping[str, int], claimed: Mapping[str, int]) -> None:
        """Take note of how many orders were claimed: an owner with fewer has no more."""
        for owner, places in claims.items():
            line = self._lines[owner]
            if claimed.get(owner, 0) < places:
                line.refuses_jobs = False
                line.has_backlog = line.marks != self._marks_claimed[owner]
                self._remove_if_empty(owner, line)

    def _get_line(self, owner: str) -> _Line[Job]:
        line = self._lines.get(owner)
        if line is None:
            line = self._lines[owner] = _Line(self._weights.get(owner, 1))
        return line

    def _mark(self, line: _Line[Job]) -> None:
        line.has_backlog = line.refuses_jobs = True
        line.marks += 1

    def _end_turn(self, owner: str, line: _Line[Job]) -> None:
        line.served = 0
        if not self._remove_if_empty(owner, line):
            self._lines.move_to_end(owner)

    def _remove_if_empty(self, owner: str, line: _Line[Job]) -> bool:
        is_empty = not line.jobs and not line.has_backlog
        if is_empty:
            del self._lines[owner]
        return is_empty
