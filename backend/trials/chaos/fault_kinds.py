"""Single faults as data, and the seeded random source from which their times are drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class FaultKind(StrEnum):
    """What a fault does."""

    KILL = "kill -9"
    PAUSE = "SIGSTOP"
    TERMINATE = "SIGTERM"
    CRASH = "crash a worker at"
    CRASH_ALONE = "run one worker at a time, until it crashes at"
    CLOCK_SKEW = "run a worker with its clock ahead by"
    SET_CLOCK = "set the database's clock ahead by seconds:"
    FLUSH = "FLUSHALL"
    DISCONNECT = "terminate all connections of"
    FAIL_COMMITS = "fail commits: disk full"
    HALT = "halt trading"
    FLOOD_SIGNER = "flood the signer"
    DUPLICATE_JOBS = "duplicate every job"
    LOSE_JOBS = "lose every job"
    DISTURB_NOTIFICATIONS = "lose, double, delay and reorder notifications"
    NODE_FAULT = "node fault:"
    ADVANCE_BLOCKS = "advance blocks:"
    FORK_CHAIN = "fork blocks:"
    MOVE_PRICE = "move the price of SOL in USDC by basis points:"


_ANSWERING = ("api", "postgres")
_OF_PROCESSES = frozenset({FaultKind.KILL, FaultKind.PAUSE, FaultKind.TERMINATE})
_OF_DATABASE = frozenset({FaultKind.SET_CLOCK, FaultKind.DISCONNECT, FaultKind.FAIL_COMMITS})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it begins after the first order is posted, and how long it lasts."""

    at_s: float
    kind: FaultKind
    target: str = ""
    duration_s: float = 0.0

    @property
    def delays_answers(self) -> bool:
        """Whether clients may wait until it ends: it is of an API process or of PostgreSQL."""
        is_server = self.target.startswith(_ANSWERING)
        return (is_server and self.kind in _OF_PROCESSES) or self.kind in _OF_DATABASE

    def __str__(self) -> str:
        """Format the fault as a line of the schedule."""
        duration = f" for {self.duration_s:.2f} s" if self.duration_s else ""
        return f"{self.at_s:6.2f} s  {self.kind} {self.target}{duration}"


def encode_node_fault(name: str, **parameters: object) -> str:
    """The target of a ``NODE_FAULT``: what the simulated node is told to inject."""
    return json.dumps({"fault": name, **parameters}, separators=(",", ":"))


class FaultRandom:
    """Random numbers for one turn that posts for ``post_s``."""

    def __init__(self, random: Random, post_s: float) -> None:
        self._random = random
        self.post_s = post_s

    def pick_time(self, first: float, last: float) -> float:
        """Draw a time between two fractions of the posting time, in seconds."""
        return round(self._random.uniform(first, last) * self.post_s, 2)

    def pick_duration_s(self, minimum: float, maximum: float) -> float:
        """Draw a duration in seconds."""
        return round(self._random.uniform(minimum, maximum), 2)

    def pick_integer(self, minimum: int, maximum: int) -> int:
        """Draw an integer, bounds included."""
        return self._random.randint(minimum, maximum)

    def pick_worker(self) -> str:
        """Draw one of the two workers."""
        return self._random.choice(("worker-1", "worker-2"))

    def spread_times(self, count: int) -> Iterator[float]:
        """Draw times that are spread over the posting time."""
        for n in range(count):
            yield self.pick_time((n + 0.2) / count, (n + 0.9) / count)
