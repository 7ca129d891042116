"""What a seed stands for: settings, orders, and everything that goes wrong, with its time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from backend.execution.context import Point
from tests.simulation.chain import Rules
from tests.simulation.postgres import Clock
from tests.simulation.worker import Terms


class Trouble(StrEnum):
    """What lasts for a while."""

    DATABASE_DOWN = "database down"
    DATABASE_ROUGH = "database loses requests and answers"
    DATABASE_BUSY = "database busy"
    DATABASE_FULL = "database full"
    NODE_DOWN = "node down"
    NODE_ROUGH = "node loses requests and answers"
    NODE_BUSY = "node busy"
    NODE_STALLED = "one of two nodes has stalled"
    VENUES_CLOSED = "venues closed"
    DROPPED = "transactions dropped"
    REVERTED = "transactions revert"
    SLOW = "transactions land late"
    UNTOLD = "statuses told late"
    STANDING = "no blocks"
    QUEUE_DOWN = "queue down, its messages lost"
    QUEUE_FULL = "too many jobs wait to be sent"
    QUEUE_ROUGH = "queue loses, doubles and delays"


OFTEN = (Trouble.DATABASE_ROUGH, Trouble.DATABASE_ROUGH, Trouble.NODE_ROUGH, Trouble.DROPPED)
"""What leaves the most doubts about what has happened."""


class Blow(StrEnum):
    """What befalls one worker."""

    KILL = "kill"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Spell:
    """A trouble that lasts; ``strength`` is between 0 and 1."""

    at: float
    trouble: Trouble
    lasts_s: float
    strength: float


@dataclass(frozen=True, slots=True)
class Strike:
    """A blow to a worker: at a time, or ``steps`` after it next reaches a ``point``.

    A paused worker goes on after ``lasts_s``, one that is gone has a successor after it.
    """

    at: float
    blow: Blow
    worker: int
    lasts_s: float
    point: Point | None
    steps: int


@dataclass(frozen=True, slots=True)
class Fork:
    """The chain's last blocks are replaced."""

    at: float
    blocks: int


Fault = Spell | Strike | Fork


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole schedule."""

    terms: Terms
    rules: Rules
    clock: Clock
    workers: int
    orders: tuple[float, ...]
    """When each is accepted."""
    lands_within_s: float
    """How long a transaction takes to land, at most, when nothing is wrong."""
    refused: float
    """The part of orders that no venue takes, or that the chain refuses for good."""
    faults: tuple[Fault, ...]
    heal_at: float

    @property
    def is_kept_well(self) -> bool:
        """Whether the database is always there."""
        spells = [fault for fault in self.faults if isinstance(fault, Spell)]
        return not any(spell.trouble.name.startswith("DATABASE") for spell in spells)


def plan_of(seed: int) -> Plan:
    """The schedule of a seed."""
    random = Random(f"plan {seed}")
    terms = _terms(random)
    lasts_s = random.uniform(6, 25)
    workers = random.choice((1, 2, 2, 3))
    faults = [_fault(random, terms, workers, lasts_s) for _ in range(random.randint(2, 10))]
    return Plan(
        terms=terms,
        rules=_rules(random),
        clock=Clock(random.uniform(-30, 30), random.uniform(0.99, 1.01)),
        workers=workers,
        orders=tuple(sorted(random.uniform(0, lasts_s * 0.7) for _ in range(random.randint(1, 4)))),
        lands_within_s=random.choice((1.5, 1.5, 6)),
        refused=random.choice((0, 0, 0.1)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        heal_at=lasts_s,
    )


def _terms(random: Random) -> Terms:
    return Terms(
        lease_s=random.uniform(3, 9),
        sweep_s=random.uniform(0.5, 2),
        rekick_s=random.uniform(1, 5),
        attempts_max=random.choice((1, 2, 3, 3, 3)),
        backoff_s=random.uniform(0.2, 1),
        backoff_jitter=random.choice((0, 0.1, 1)),
        poll_s=random.uniform(0.3, 0.8),
        resend_s=random.uniform(1, 3),
        shutdown_s=random.choice((0, 0, 1, 4)),
        preflight=random.random() < 0.5,
        unsent_max=random.choice((1, 2, 1_000)),
    )


def _rules(random: Random) -> Rules:
    finalized = random.randint(3, 12)
    valid = random.randint(12, 40)
    return Rules(
        slot_s=0.4,
        valid_blocks=valid,
        confirmed_blocks=random.randint(1, 3),
        finalized_blocks=finalized,
        remembered_blocks=valid,
    )


def _fault(random: Random, terms: Terms, workers: int, until: float) -> Fault:
    at = random.uniform(0, until)
    match random.random():
        case chance if chance < 0.45:
            return _strike(random, terms, at, workers)
        case chance if chance < 0.55:
            return Fork(at, random.randint(1, 3))
        case _:
            trouble = random.choice((*Trouble, *OFTEN))
            return Spell(at, trouble, random.uniform(0.5, random.choice((8, 20))), random.random())


def _strike(random: Random, terms: Terms, at: float, workers: int) -> Strike:
    blow = random.choice((Blow.KILL, Blow.KILL, Blow.PAUSE, Blow.PAUSE, Blow.STOP))
    short_s = random.uniform(0.1, 2)
    return Strike(
        at,
        blow,
        worker=random.randrange(workers),
        # A pause is of interest when somebody else has taken over, and most while they work.
        lasts_s=random.choice((short_s, terms.lease_s + 2 * short_s)),
        point=random.choice((None, *Point, *Point)),
        steps=random.choice((0, random.randint(1, 8), random.randint(1, 40))),
    )
