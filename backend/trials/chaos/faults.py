"""Strokes: single faults, as data. When each comes is drawn from a seeded source of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """A way to break something."""

    KILL = "kill -9"
    PAUSE = "SIGSTOP"
    TERMINATE = "SIGTERM"
    CRASH = "a worker that dies at"
    CLOCK = "a worker whose clock is ahead by"
    FLUSH = "FLUSHALL"
    DISCONNECT = "end all connections of"
    FAIL_COMMITS = "fail commits: disk full"
    DOUBLE_JOBS = "double every job"
    LOSE_JOBS = "lose every job"
    NODE = "node:"
    ADVANCE = "blocks pass at once:"
    FORK = "blocks are forgotten:"


@dataclass(frozen=True, slots=True)
class Stroke:
    """One fault: when it begins after the first order is posted, and how long it lasts."""

    at_s: float
    kind: Kind
    target: str = ""
    for_s: float = 0.0

    def __str__(self) -> str:
        """The stroke as a line of the schedule."""
        lasts = f" for {self.for_s:.2f} s" if self.for_s else ""
        return f"{self.at_s:6.2f} s  {self.kind} {self.target}{lasts}"


class Draw:
    """Random numbers for one turn that posts for ``post_s``."""

    def __init__(self, random: Random, post_s: float) -> None:
        self._random = random
        self.post_s = post_s

    def at(self, first: float, last: float) -> float:
        """A moment, as fractions of the time in which orders are posted."""
        return round(self._random.uniform(first, last) * self.post_s, 2)

    def seconds(self, least: float, most: float) -> float:
        """A time span."""
        return round(self._random.uniform(least, most), 2)

    def number(self, least: int, most: int) -> int:
        """A whole number."""
        return self._random.randint(least, most)

    def worker(self) -> str:
        """One of the two workers."""
        return self._random.choice(("worker-1", "worker-2"))

    def spread(self, times: int) -> Iterator[float]:
        """Moments spread over the time of posting."""
        for n in range(times):
            yield self.at((n + 0.2) / times, (n + 0.9) / times)
