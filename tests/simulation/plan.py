"""Draws a schedule from a seed: settings, orders, and faults with their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Final

from backend.domain.conditions import Condition, Limit, Stop, TakeProfit
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.orders import TimeInForce
from backend.domain.prices import PriceOf, PriceRatio
from backend.execution.context import Checkpoint
from tests.simulation.model.chain import ChainRules
from tests.simulation.model.postgres import ServerClock
from tests.simulation.worker import WorkerSettings

PRICE: Final = PriceRatio(2, 1)
"""That of the model's pool: whatever waits for it, the schedule decides when it is met."""
BRACKET: Final = Bracket(
    BracketLeg(TakeProfit(PRICE), PriceOf.TOKEN_IN, 50),
    BracketLeg(Stop(PRICE), PriceOf.TOKEN_IN, 50),
)


class OutageKind(StrEnum):
    """A fault that lasts for a while; the order of the members decides what a seed draws."""

    DATABASE_DOWN = "database down"
    DATABASE_LOSSY = "database loses requests and responses"
    DATABASE_BUSY = "database busy"
    DATABASE_FULL = "database full"
    NODE_DOWN = "node down"
    NODE_LOSSY = "node loses requests and responses"
    NODE_BUSY = "node busy"
    NODE_STALLED = "one of two nodes is stale"
    VENUES_DOWN = "venues down"
    TRANSACTIONS_DROPPED = "transactions dropped"
    TRANSACTIONS_REVERTED = "transactions reverted"
    LANDING_SLOW = "transactions land late"
    STATUSES_LATE = "statuses late"
    CHAIN_STALLED = "chain stalled"
    QUEUE_DOWN = "queue down and its messages lost"
    QUEUE_FULL = "queue full"
    QUEUE_LOSSY = "queue loses, duplicates and delays"
    HISTORY_MISSING = "node without history"


FREQUENT_OUTAGES = (
    OutageKind.DATABASE_LOSSY,
    OutageKind.DATABASE_LOSSY,
    OutageKind.NODE_LOSSY,
    OutageKind.TRANSACTIONS_DROPPED,
)
"""Drawn more often, as they leave the most uncertainty about outcomes."""
DRAWN_OUTAGES = tuple(kind for kind in OutageKind if kind is not OutageKind.HISTORY_MISSING)
"""An order that ends without its amount has a test of its own."""


class WorkerFaultKind(StrEnum):
    """A fault of one worker."""

    KILL = "kill"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Outage:
    """A fault that lasts; ``strength`` is between 0 and 1."""

    at: float
    kind: OutageKind
    duration_s: float
    strength: float


@dataclass(frozen=True, slots=True)
class WorkerFault:
    """A fault of a worker: ``steps`` after a time, or after it next reaches a ``checkpoint``.

    A paused worker resumes after ``duration_s``; a killed one is replaced after it.
    """

    at: float
    kind: WorkerFaultKind
    worker: int
    duration_s: float
    checkpoint: Checkpoint | None
    steps: int


@dataclass(frozen=True, slots=True)
class ChainFork:
    """A fork that replaces the chain's last blocks."""

    at: float
    blocks: int


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The database's clock is set by some seconds, back if they are negative."""

    at: float
    by_s: float


Fault = Outage | WorkerFault | ChainFork | ClockStep


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The owner of an order cancels it; ``order`` is its index."""

    at: float
    order: int


@dataclass(frozen=True, slots=True)
class OrderValidity:
    """How long an order is tried; it expires ``expires_after_s`` after it is accepted."""

    time_in_force: TimeInForce = TimeInForce.GTC
    expires_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole schedule."""

    settings: WorkerSettings
    rules: ChainRules
    clock: ServerClock
    workers: int
    orders: tuple[float, ...]
    """The time at which each is accepted."""
    landing_max_s: float
    """How long a transaction takes to land at most, without faults."""
    reject_chance: float
    """The share of orders that all venues reject, or that the chain rejects for good."""
    faults: tuple[Fault, ...]
    heal_at: float
    cancellations: tuple[Cancellation, ...] = ()
    validities: Mapping[int, OrderValidity] = field(default_factory=dict)
    """By the index of the order; the others are tried until they end otherwise."""
    conditions: Mapping[int, Condition] = field(default_factory=dict)
    """What orders wait for, by their index; the others wait for nothing."""
    pairs: tuple[tuple[int, int], ...] = ()
    """The indexes of orders of which at most one is executed; they are accepted together."""
    brackets: Mapping[int, Bracket] = field(default_factory=dict)
    """What is placed for what an order receives, by its index."""

    @property
    def has_waiting_orders(self) -> bool:
        """Whether an order waits at some time."""
        return bool(self.conditions or self.brackets)

    @property
    def is_database_available(self) -> bool:
        """Whether the plan has no database outage."""
        outages = [fault for fault in self.faults if isinstance(fault, Outage)]
        return not any(outage.kind.name.startswith("DATABASE") for outage in outages)


def draw_plan(seed: int) -> Plan:
    """Draw the plan of a seed. The order of the draws is part of every seed's meaning."""
    random = Random(f"plan {seed}")
    settings = _draw_settings(random)
    duration_s = random.uniform(6, 25)
    workers = random.choice((1, 2, 2, 3))
    faults = [
        _draw_fault(random, settings, workers, duration_s) for _ in range(random.randint(2, 10))
    ]
    plan = Plan(
        settings=settings,
        rules=_draw_rules(random),
        clock=ServerClock(random.uniform(-30, 30), random.uniform(0.99, 1.01)),
        workers=workers,
        orders=tuple(
            sorted(random.uniform(0, duration_s * 0.7) for _ in range(random.randint(1, 4)))
        ),
        landing_max_s=random.choice((1.5, 1.5, 6)),
        reject_chance=random.choice((0, 0, 0.1)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        heal_at=duration_s,
    )
    cancellations = _draw_cancellations(Random(f"cancellations {seed}"), plan.orders)
    validities = dict(_draw_validities(Random(f"validities {seed}"), len(plan.orders)))
    conditions = dict(_draw_conditions(Random(f"conditions {seed}"), len(plan.orders)))
    random = Random(f"groups {seed}")
    return replace(
        plan,
        cancellations=tuple(cancellations),
        validities=validities,
        conditions=conditions,
        pairs=tuple(_draw_pairs(random, conditions, validities)),
        brackets=dict(_draw_brackets(random, len(plan.orders))),
    )


def _draw_pairs(
    random: Random, conditions: Mapping[int, Condition], validities: Mapping[int, OrderValidity]
) -> Iterator[tuple[int, int]]:
    """Of most schedules in which orders wait, those that can are in groups."""
    waiting = [
        order
        for order in conditions
        if order not in validities or not validities[order].time_in_force.has_one_attempt
    ]
    if random.random() < 0.7:
        yield from zip(waiting[::2], waiting[1::2], strict=False)


def _draw_brackets(random: Random, orders: int) -> Iterator[tuple[int, Bracket]]:
    """Of every fourth schedule, most orders have a bracket."""
    if random.random() < 1 / 4:
        for order in range(orders):
            if random.random() < 0.7:
                yield order, random.choice((BRACKET, replace(BRACKET, stop=None)))


def _draw_conditions(random: Random, orders: int) -> Iterator[tuple[int, Condition]]:
    """Of every third schedule, most orders wait: for a limit, or for a stop."""
    if random.random() < 1 / 3:
        for order in range(orders):
            if random.random() < 0.8:
                yield order, random.choice((Limit(PRICE), Stop(PRICE)))


def _draw_validities(random: Random, orders: int) -> Iterator[tuple[int, OrderValidity]]:
    """Of every third schedule, some orders expire, some have one attempt, and some both."""
    if random.random() >= 1 / 3:
        return
    for order in range(orders):
        after_s = random.uniform(0.05, random.choice((1, 8)))
        match random.random():
            case chance if chance < 0.5:
                yield order, OrderValidity(TimeInForce.GTD, after_s)
            case chance if chance < 0.65:
                yield order, OrderValidity(TimeInForce.IOC)
            case chance if chance < 0.75:
                yield order, OrderValidity(TimeInForce.FOK, after_s)


def _draw_cancellations(random: Random, orders: tuple[float, ...]) -> Iterator[Cancellation]:
    """Of every third schedule, some orders are cancelled: soon, or when they have met a fault."""
    if random.random() < 1 / 3:
        for order, accepted_at in enumerate(orders):
            if random.random() < 0.7:
                yield Cancellation(accepted_at + random.uniform(0, random.choice((1, 8))), order)


def _draw_settings(random: Random) -> WorkerSettings:
    return WorkerSettings(
        lease_s=random.uniform(3, 9),
        sweep_s=random.uniform(0.5, 2),
        rekick_s=random.uniform(1, 5),
        attempts_max=random.choice((1, 2, 3, 3, 3)),
        backoff_s=random.uniform(0.2, 1),
        backoff_jitter=random.choice((0, 0.1, 1)),
        poll_s=random.uniform(0.3, 0.8),
        resend_s=random.uniform(1, 3),
        outage_wait_s=8,
        history_wait_s=15,
        shutdown_s=random.choice((0, 0, 1, 4)),
        preflight=random.random() < 0.5,
        unsent_max=random.choice((1, 2, 1_000)),
        owner_jobs_max=random.choice((1, 2, 1_000)),
    )


def _draw_rules(random: Random) -> ChainRules:
    finalized = random.randint(3, 12)
    valid = random.randint(12, 40)
    return ChainRules(
        slot_s=0.4,
        valid_blocks=valid,
        confirmed_blocks=random.randint(1, 3),
        finalized_blocks=finalized,
        remembered_blocks=valid,
    )


def _draw_fault(random: Random, settings: WorkerSettings, workers: int, until: float) -> Fault:
    at = random.uniform(0, until)
    match random.random():
        case chance if chance < 0.45:
            return _draw_worker_fault(random, settings, at, workers)
        case chance if chance < 0.55:
            return ChainFork(at, random.randint(1, 3))
        case _:
            kind = random.choice((*DRAWN_OUTAGES, *FREQUENT_OUTAGES))
            return Outage(at, kind, random.uniform(0.5, random.choice((8, 20))), random.random())


def _draw_worker_fault(
    random: Random, settings: WorkerSettings, at: float, workers: int
) -> WorkerFault:
    kind = random.choice(
        (
            WorkerFaultKind.KILL,
            WorkerFaultKind.KILL,
            WorkerFaultKind.PAUSE,
            WorkerFaultKind.PAUSE,
            WorkerFaultKind.STOP,
        )
    )
    short_s = random.uniform(0.1, 2)
    return WorkerFault(
        at,
        kind,
        worker=random.randrange(workers),
        # A pause matters once another worker has taken over, and most while that one works.
        duration_s=random.choice((short_s, settings.lease_s + 2 * short_s)),
        checkpoint=random.choice((None, *Checkpoint, *Checkpoint)),
        steps=random.choice((0, random.randint(1, 8), random.randint(1, 40))),
    )
