"""The scenarios: a description and a generator of faults for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from backend.execution.context import Checkpoint
from backend.trials.chaos.fault_generators import (
    FaultGenerator,
    crash_watchers,
    crash_workers_at,
    disorder_notifications,
    disturb_notifications,
    disturb_signer,
    halt_trading,
    kill_recovering_workers,
    kill_watching_workers,
    kill_workers,
    lose_subscriptions,
    pause_quoting_worker,
    pause_watching_workers,
    pause_within_lease,
    pause_worker,
    refuse_blocks,
    set_database_clock,
    skew_worker_clock,
    terminate_workers,
)
from backend.trials.chaos.fault_kinds import Fault, FaultKind, FaultRandom, encode_node_fault
from backend.trials.chaos.node_faults import (
    delay_statuses,
    disable_venues,
    drop_transactions,
    fork_chain,
    lose_responses,
    overload_node,
    pause_node,
    revert_swaps,
    stop_node,
)
from backend.trials.chaos.timing import CANCELLED_WAIT_S, OUTAGE_S, WAIT_S

SECOND_API: Final = "api-2"
"""The name of the API process that runs beside ``api`` while orders are cancelled."""
CANCEL_SHARE: Final = 0.8
BURST_ORDERS: Final = 1_000
_READ_POOLS: Final = MappingProxyType({"quote_slots_max": "0"})  # for each quote
CRASH_ORDERS: Final = 80
"""Enough that each of the workers executes some."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of breaking the engine. ``settings`` apply to the workers while it runs.

    ``is_burst`` posts all orders at once, in one batch. ``cancel_share`` of the orders are
    cancelled, through two API processes. With ``has_waiting`` orders wait for a price near the
    market's, until it was met or they expire, ``wait_s`` after the last was posted, or are
    cancelled in the end. With ``has_pairs`` each two of them are a group. With ``has_signer`` the
    workers have no key: a process of its own signs.
    """

    description: str
    generate_faults: FaultGenerator
    orders_min: int = 1
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_burst: bool = False
    cancel_share: float = 0.0
    has_waiting: bool = False
    is_sliced: bool = False
    has_pairs: bool = False
    is_cancelled_at_end: bool = False
    has_signer: bool = False

    @property
    def wait_s(self) -> float:
        """How long orders wait for a price after the last was posted."""
        return CANCELLED_WAIT_S if self.is_cancelled_at_end else WAIT_S


def _inject_nothing(random: FaultRandom) -> Iterator[Fault]:
    yield from ()


def _kill(*names: str, times: int, down_s: tuple[float, float]) -> FaultGenerator:
    def generate_faults(random: FaultRandom) -> Iterator[Fault]:
        for at in random.spread_times(times):
            for name in names:
                yield Fault(at, FaultKind.KILL, name, random.pick_duration_s(*down_s))

    return generate_faults


def _kill_between_slices(random: FaultRandom) -> Iterator[Fault]:
    """All processes but the node, while slices of some orders are due and those of others run."""
    for at in (random.pick_time(0.5, 0.6), random.pick_time(1.0, 1.1), random.pick_time(1.5, 1.6)):
        for name in ("postgres", "valkey", "api", "worker-1", "worker-2"):
            yield Fault(at, FaultKind.KILL, name, random.pick_duration_s(0.1, 0.5))


def _kill_streaming_api(random: FaultRandom) -> Iterator[Fault]:
    late = encode_node_fault("late_landing", by_seconds=random.pick_duration_s(1, 2))
    yield Fault(0, FaultKind.NODE_FAULT, late, random.post_s)
    for at in (random.pick_time(0.5, 0.6), random.pick_time(1, 1.1), random.pick_time(1.4, 1.5)):
        yield Fault(at, FaultKind.KILL, "api", random.pick_duration_s(0.05, 0.3))


def _flush_redis(random: FaultRandom) -> Iterator[Fault]:
    for at in random.spread_times(4):
        yield Fault(at, FaultKind.FLUSH)


def _remove_redis(random: FaultRandom) -> Iterator[Fault]:
    yield Fault(random.pick_time(0.1, 0.4), FaultKind.KILL, "valkey", OUTAGE_S)


def _duplicate_jobs(random: FaultRandom) -> Iterator[Fault]:
    yield Fault(0, FaultKind.DUPLICATE_JOBS, duration_s=random.post_s + 0.5)


def _lose_jobs(random: FaultRandom) -> Iterator[Fault]:
    yield Fault(random.pick_time(0, 0.1), FaultKind.LOSE_JOBS, duration_s=random.post_s)


def _disconnect_postgres(random: FaultRandom) -> Iterator[Fault]:
    for at in random.spread_times(5):
        yield Fault(at, FaultKind.DISCONNECT, "postgres")


def _fail_commits(random: FaultRandom) -> Iterator[Fault]:
    for at in random.spread_times(2):
        yield Fault(at, FaultKind.FAIL_COMMITS, duration_s=random.pick_duration_s(0.5, 1.2))


def _kill_workers_of_cancelled(random: FaultRandom) -> Iterator[Fault]:
    """Reads are slow, so that many orders are cancelled while they are routed."""
    slow = encode_node_fault("slow", by_seconds=0.2, methods=["getMultipleAccounts"])
    yield Fault(0, FaultKind.NODE_FAULT, slow, round(random.post_s * 0.6, 2))
    yield from kill_workers(random)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "quiet": Scenario("nothing is broken", _inject_nothing),
    "worker_killed": Scenario("workers are killed at random, then both at once", kill_workers),
    "worker_killed_again": Scenario(
        "workers are killed again while they recover", kill_recovering_workers
    ),
    **{
        f"worker_killed_{checkpoint}": Scenario(
            f"workers die when an order is {checkpoint}",
            crash_workers_at(checkpoint),
            orders_min=CRASH_ORDERS,
        )
        for checkpoint in Checkpoint
    },
    "worker_paused": Scenario("a worker is paused past its lease and resumes", pause_worker),
    "worker_paused_quoting": Scenario(
        "a worker is paused past its lease between a quote and its transaction",
        pause_quoting_worker,
        settings=_READ_POOLS,
    ),
    "worker_dozing": Scenario(
        "a worker is paused within its lease while 1,000 blocks pass", pause_within_lease
    ),
    "worker_clock_ahead": Scenario("a worker's clock is ahead by 30 s", skew_worker_clock),
    "api_killed_accepting": Scenario(
        "the API is killed while it accepts orders", _kill("api", times=3, down_s=(0.05, 0.3))
    ),
    "api_killed_streaming": Scenario(
        "the API is killed while it streams events", _kill_streaming_api
    ),
    "redis_killed": Scenario(
        "Redis is killed and restarts with its data", _kill("valkey", times=2, down_s=(0.1, 0.6))
    ),
    "redis_flushed": Scenario("Redis loses all its data", _flush_redis),
    "redis_absent": Scenario(f"Redis is down for {OUTAGE_S:.0f} s", _remove_redis),
    "jobs_doubled": Scenario("every job message is delivered twice", _duplicate_jobs),
    "jobs_lost": Scenario("every job message is lost", _lose_jobs),
    "notifications_disturbed": Scenario(
        "commit notifications are lost, doubled, late and out of order", disturb_notifications
    ),
    "postgres_killed": Scenario(
        "PostgreSQL is killed and recovers", _kill("postgres", times=2, down_s=(0.1, 0.6))
    ),
    "postgres_disconnected": Scenario(
        "all PostgreSQL connections are terminated", _disconnect_postgres
    ),
    "commits_failing": Scenario("commits fail as on a full disk", _fail_commits),
    "node_stopped": Scenario(f"the node is down for {OUTAGE_S:.0f} s", stop_node),
    "node_paused": Scenario("the node accepts connections and does not respond", pause_node),
    "node_busy": Scenario("the node responds 429 and 503", overload_node),
    "answers_lost": Scenario(
        "the node accepts a transaction and its response is lost", lose_responses
    ),
    "transactions_dropped": Scenario("transactions vanish and expire", drop_transactions),
    "statuses_late": Scenario("the node reports statuses late", delay_statuses),
    "chain_forked": Scenario("the chain forks and drops its newest blocks", fork_chain),
    "swaps_reverted": Scenario("swaps fail on chain", revert_swaps),
    "venue_down": Scenario(
        "one or both venues cannot be read", disable_venues, settings=_READ_POOLS
    ),
    "subscriptions_lost": Scenario("the node's WebSockets are lost", lose_subscriptions),
    "notifications_disordered": Scenario(
        "notifications come twice, late, out of order, or are false", disorder_notifications
    ),
    "blocks_refused": Scenario(
        "the same and some are lost, of a node that refuses subscriptions to blocks", refuse_blocks
    ),
    "halted": Scenario(
        "trading is halted and resumed while workers are paused and killed", halt_trading
    ),
    "signer": Scenario(
        "a signer of its own process is killed, paused and flooded", disturb_signer, has_signer=True
    ),
    "everything_killed": Scenario(
        "all processes but the node are killed at once",
        _kill("postgres", "valkey", "api", "worker-1", "worker-2", times=1, down_s=(0.1, 0.5)),
    ),
    "waiting_worker_killed": Scenario(
        "workers that watch waiting orders are killed and paused while prices move",
        kill_watching_workers,
        has_waiting=True,
    ),
    "watcher_killed": Scenario(
        "each watcher dies at another point of its watch, and nobody else watches",
        crash_watchers,
        has_waiting=True,
        is_cancelled_at_end=True,
    ),
    "watcher_paused": Scenario(
        "watchers are paused past the lease of their shards, in turn, while prices move",
        pause_watching_workers,
        has_waiting=True,
    ),
    "waiting_clock_set": Scenario(
        "the database's clock is set past the expiry of waiting orders, and back",
        set_database_clock,
        has_waiting=True,
    ),
    "cancel_worker_killed": Scenario(
        "orders are cancelled through two API processes while workers are killed",
        _kill_workers_of_cancelled,
        cancel_share=CANCEL_SHARE,
    ),
    "cancel_api_killed": Scenario(
        "the two API processes are killed while orders are cancelled through them",
        _kill("api", SECOND_API, times=2, down_s=(0.05, 0.3)),
        cancel_share=CANCEL_SHARE,
    ),
    "cancel_postgres_killed": Scenario(
        "PostgreSQL is killed while orders are cancelled through two API processes",
        _kill("postgres", times=2, down_s=(0.1, 0.6)),
        cancel_share=CANCEL_SHARE,
    ),
    "cancel_waiting": Scenario(
        "waiting orders are cancelled through two API processes while prices meet them",
        kill_watching_workers,
        cancel_share=CANCEL_SHARE / 2,
        has_waiting=True,
    ),
    "pairs_met_together": Scenario(
        "prices meet both orders of pairs in one slot while workers are killed",
        kill_watching_workers,
        is_burst=True,
        has_waiting=True,
        has_pairs=True,
    ),
    "slices_all_killed": Scenario(
        "all processes but the node are killed between the slices of TWAP orders",
        _kill_between_slices,
        is_sliced=True,
    ),
    "worker_terminated": Scenario(
        "SIGTERM with 1,000 orders in flight: their leases of 60 s are handed back",
        terminate_workers,
        orders_min=BURST_ORDERS,
        # The default: a job that waits in a long queue is not sent again every second.
        settings=MappingProxyType({"lease_s": "60", "rekick_s": "5"}),
        is_burst=True,
    ),
}
