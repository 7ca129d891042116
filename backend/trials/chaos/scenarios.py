"""The scenarios: what is broken in each, in words and in strokes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from backend.execution.context import Point
from backend.trials.chaos.faults import Draw, Kind, Stroke
from backend.trials.chaos.timing import LEASE_S

Strokes = Callable[[Draw], Iterator[Stroke]]

AWAY_S: Final = 10.0
BURST_ORDERS: Final = 1_000
VICTIM_ORDERS: Final = 80
"""So many that each of the workers gets some."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of breaking the engine. ``settings`` are the workers' while it is played."""

    what: str
    strokes: Strokes
    orders_min: int = 1
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_burst: bool = False


def _fault(name: str, **facts: object) -> str:
    return json.dumps({"fault": name, **facts}, separators=(",", ":"))


def _quiet(draw: Draw) -> Iterator[Stroke]:
    yield from ()


def _worker_killed(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(2):
        yield Stroke(at, Kind.KILL, draw.worker(), draw.seconds(0.1, 0.5))
    last = draw.at(0.95, 1)
    for worker in ("worker-1", "worker-2"):
        yield Stroke(last, Kind.KILL, worker, draw.seconds(0.1, 0.3))


def _killed_recovering(draw: Draw) -> Iterator[Stroke]:
    """The second time when the leases of the first have just run out."""
    first = draw.at(0.5, 0.8)
    for at in (first, first + LEASE_S + draw.seconds(0.1, 0.5)):
        for worker in ("worker-1", "worker-2"):
            yield Stroke(round(at, 2), Kind.KILL, worker, 0.1)


def _everything_killed(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(1):
        for name in ("postgres", "valkey", "api", "worker-1", "worker-2"):
            yield Stroke(at, Kind.KILL, name, draw.seconds(0.1, 0.5))


def _worker_dies_at(point: Point) -> Strokes:
    def strokes(draw: Draw) -> Iterator[Stroke]:
        for times in (draw.number(1, 2), draw.number(3, 5)):
            yield Stroke(0, Kind.CRASH, f"{point}:{times}", draw.post_s + 4)
        # One less to share the orders with.
        yield Stroke(0.01, Kind.KILL, draw.worker(), round(draw.post_s * 0.3, 2))

    return strokes


def _worker_paused(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(draw.at(0.1, 0.3), Kind.PAUSE, draw.worker(), LEASE_S * draw.seconds(1.6, 2))


def _paused_quoting(draw: Draw) -> Iterator[Stroke]:
    """It wakes up with a quote in its hand, while what others have sent has yet to land."""
    slow = _fault("slow", by_seconds=0.5, methods=["getMultipleAccounts"])
    late = _fault("late_landing", by_seconds=3)
    at = draw.at(0.6, 0.7)
    asleep_s = LEASE_S * draw.seconds(1.9, 2.2)
    for fault in (slow, late):
        yield Stroke(0, Kind.NODE, fault, round(at + asleep_s, 2))
    yield Stroke(at, Kind.PAUSE, draw.worker(), asleep_s)


def _worker_dozing(draw: Draw) -> Iterator[Stroke]:
    """So many blocks pass that what had landed is in no recent status any more."""
    for worker, at in zip(("worker-1", "worker-2"), draw.spread(2), strict=True):
        yield Stroke(at, Kind.PAUSE, worker, LEASE_S * draw.seconds(0.5, 0.7))
        yield Stroke(round(at + LEASE_S * 0.15, 2), Kind.ADVANCE, "1000")


def _clock_ahead(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(0, Kind.CLOCK, "30 s", draw.post_s + 0.5)


def _worker_terminated(draw: Draw) -> Iterator[Stroke]:
    """Nothing lands for a while, so that all orders are in flight when the workers are asked."""
    late = _fault("late_landing", by_seconds=4)
    yield Stroke(0, Kind.NODE, late, draw.post_s)
    yield Stroke(draw.at(0.6, 0.7), Kind.TERMINATE, "worker-1")
    yield Stroke(draw.at(0.95, 1), Kind.TERMINATE, "worker-2")


def _api_killed_accepting(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(3):
        yield Stroke(at, Kind.KILL, "api", draw.seconds(0.05, 0.3))


def _api_killed_streaming(draw: Draw) -> Iterator[Stroke]:
    late = _fault("late_landing", by_seconds=draw.seconds(1, 2))
    yield Stroke(0, Kind.NODE, late, draw.post_s)
    for at in (draw.at(0.5, 0.6), draw.at(1, 1.1), draw.at(1.4, 1.5)):
        yield Stroke(at, Kind.KILL, "api", draw.seconds(0.05, 0.3))


def _redis_killed(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(2):
        yield Stroke(at, Kind.KILL, "valkey", draw.seconds(0.1, 0.6))


def _redis_flushed(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(4):
        yield Stroke(at, Kind.FLUSH)


def _redis_absent(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(draw.at(0.1, 0.4), Kind.KILL, "valkey", AWAY_S)


def _jobs_doubled(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(0, Kind.DOUBLE_JOBS, for_s=draw.post_s + 0.5)


def _jobs_lost(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(draw.at(0, 0.1), Kind.LOSE_JOBS, for_s=draw.post_s)


def _postgres_killed(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(2):
        yield Stroke(at, Kind.KILL, "postgres", draw.seconds(0.1, 0.6))


def _postgres_disconnected(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(5):
        yield Stroke(at, Kind.DISCONNECT, "postgres")


def _commits_failing(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(2):
        yield Stroke(at, Kind.FAIL_COMMITS, for_s=draw.seconds(0.5, 1.2))


def _node_stopped(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(draw.at(0.2, 0.5), Kind.KILL, "chain", AWAY_S)


def _node_paused(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(draw.at(0.2, 0.5), Kind.PAUSE, "chain", draw.seconds(3, 4))


def _node_busy(draw: Draw) -> Iterator[Stroke]:
    for status in (429, 503):
        busy = _fault("http", status=status, probability=0.3, retry_after_seconds=1)
        yield Stroke(draw.at(0, 0.1), Kind.NODE, busy, draw.post_s)


def _answers_lost(draw: Draw) -> Iterator[Stroke]:
    for mode in ("close", "error"):
        lose = _fault("lose_response", mode=mode, probability=0.4)
        yield Stroke(0, Kind.NODE, lose, draw.post_s)


def _transactions_dropped(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(0, Kind.NODE, _fault("drop", probability=0.7), draw.post_s + 0.5)
    for at in (*draw.spread(3), draw.post_s + 0.5):
        yield Stroke(at, Kind.ADVANCE, "200")


def _statuses_late(draw: Draw) -> Iterator[Stroke]:
    late = _fault("late_status", by_seconds=draw.seconds(1, 2), probability=0.7)
    yield Stroke(0, Kind.NODE, late, draw.post_s)


def _chain_forked(draw: Draw) -> Iterator[Stroke]:
    for at in draw.spread(12):
        yield Stroke(at, Kind.FORK, str(draw.number(1, 2)))


def _swaps_reverted(draw: Draw) -> Iterator[Stroke]:
    yield Stroke(0, Kind.NODE, _fault("fail", probability=0.3), draw.post_s)


def _venue_down(draw: Draw) -> Iterator[Stroke]:
    for venue in ("raydium", "meteora"):
        down = _fault("down", venue=venue)
        yield Stroke(draw.at(0, 0.5), Kind.NODE, down, draw.seconds(0.5, 1.5))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "quiet": Scenario("nothing is broken", _quiet),
    "worker_killed": Scenario("workers are killed at random, then both at once", _worker_killed),
    "worker_killed_again": Scenario("and killed again while they recover", _killed_recovering),
    **{
        f"worker_killed_{point}": Scenario(
            f"workers die when an order is {point}",
            _worker_dies_at(point),
            orders_min=VICTIM_ORDERS,
        )
        for point in Point
    },
    "worker_paused": Scenario("a worker sleeps past its lease and goes on", _worker_paused),
    "worker_paused_quoting": Scenario(
        "a worker sleeps past its lease between a quote and its order", _paused_quoting
    ),
    "worker_dozing": Scenario(
        "a worker sleeps while 1,000 blocks pass, and still has its lease", _worker_dozing
    ),
    "worker_clock_ahead": Scenario("a worker's clock is ahead by 30 s", _clock_ahead),
    "api_killed_accepting": Scenario("the API is killed while it accepts", _api_killed_accepting),
    "api_killed_streaming": Scenario("the API is killed while it streams", _api_killed_streaming),
    "redis_killed": Scenario("Redis is killed and comes back with its data", _redis_killed),
    "redis_flushed": Scenario("Redis loses all its data", _redis_flushed),
    "redis_absent": Scenario(f"Redis is away for {AWAY_S:.0f} s", _redis_absent),
    "jobs_doubled": Scenario("every job message is delivered twice", _jobs_doubled),
    "jobs_lost": Scenario("every job message is lost", _jobs_lost),
    "postgres_killed": Scenario("PostgreSQL is killed and recovers", _postgres_killed),
    "postgres_disconnected": Scenario("all its connections are ended", _postgres_disconnected),
    "commits_failing": Scenario("commits fail as on a full disk", _commits_failing),
    "node_stopped": Scenario(f"the node is away for {AWAY_S:.0f} s", _node_stopped),
    "node_paused": Scenario("the node accepts connections and answers nothing", _node_paused),
    "node_busy": Scenario("the node answers 429 and 503", _node_busy),
    "answers_lost": Scenario("the node accepts and its answer is lost", _answers_lost),
    "transactions_dropped": Scenario("transactions vanish and expire", _transactions_dropped),
    "statuses_late": Scenario("the node tells late what has landed", _statuses_late),
    "chain_forked": Scenario("the node forgets its newest blocks", _chain_forked),
    "swaps_reverted": Scenario("swaps fail on chain", _swaps_reverted),
    "venue_down": Scenario("one venue cannot be read, or both", _venue_down),
    "everything_killed": Scenario("all of it but the node at one moment", _everything_killed),
    "worker_terminated": Scenario(
        "SIGTERM with 1,000 orders in flight: no lease of a minute is waited for",
        _worker_terminated,
        orders_min=BURST_ORDERS,
        # As by default, a job that waits in a long queue is not sent again every second.
        settings=MappingProxyType({"lease_s": "60", "rekick_s": "5"}),
        is_burst=True,
    ),
}
