"""Faults of workers and of notifications, as generators that draw the times of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backend.chain.signing.paper_signer import SIGNER
from backend.execution.context import Checkpoint
from backend.trials.chaos.fault_kinds import Fault, FaultKind, FaultRandom, encode_node_fault
from backend.trials.chaos.timing import CLOCK_AHEAD_S, CRASH_S, LEASE_S, TRIGGER_LEASE_S
from backend.triggers.attempts import WatchPoint

FaultGenerator = Callable[[FaultRandom], Iterator[Fault]]


def kill_workers(random: FaultRandom) -> Iterator[Fault]:
    """Workers are killed and replaced; the last time both."""
    for at in random.spread_times(2):
        yield Fault(at, FaultKind.KILL, random.pick_worker(), random.pick_duration_s(0.1, 0.5))
    last = random.pick_time(0.95, 1)
    for worker in ("worker-1", "worker-2"):
        yield Fault(last, FaultKind.KILL, worker, random.pick_duration_s(0.1, 0.3))


def kill_recovering_workers(random: FaultRandom) -> Iterator[Fault]:
    """The second kill comes just after the leases of the first one have expired."""
    first_s = random.pick_time(0.5, 0.8)
    for at in (first_s, first_s + LEASE_S + random.pick_duration_s(0.1, 0.5)):
        for worker in ("worker-1", "worker-2"):
            yield Fault(round(at, 2), FaultKind.KILL, worker, 0.1)


def crash_workers_at(checkpoint: Checkpoint) -> FaultGenerator:
    """Workers crash where a checkpoint is, at some of their visits."""

    def generate_faults(random: FaultRandom) -> Iterator[Fault]:
        for visit in (random.pick_integer(1, 2), random.pick_integer(3, 5)):
            yield Fault(0, FaultKind.CRASH, f"{checkpoint}:{visit}", random.post_s + CRASH_S)
        # One worker fewer, so that the crashing ones get enough of the orders.
        yield Fault(0.01, FaultKind.KILL, random.pick_worker(), round(random.post_s * 0.3, 2))

    return generate_faults


def pause_worker(random: FaultRandom) -> Iterator[Fault]:
    """A worker is paused for longer than its leases last."""
    yield Fault(
        random.pick_time(0.1, 0.3),
        FaultKind.PAUSE,
        random.pick_worker(),
        LEASE_S * random.pick_duration_s(1.6, 2),
    )


def pause_quoting_worker(random: FaultRandom) -> Iterator[Fault]:
    """It resumes with a stale quote while the other worker's transactions have yet to land."""
    slow = encode_node_fault("slow", by_seconds=0.5, methods=["getMultipleAccounts"])
    late = encode_node_fault("late_landing", by_seconds=3)
    at = random.pick_time(0.6, 0.7)
    pause_s = LEASE_S * random.pick_duration_s(1.9, 2.2)
    for fault in (slow, late):
        yield Fault(0, FaultKind.NODE_FAULT, fault, round(at + pause_s, 2))
    yield Fault(at, FaultKind.PAUSE, random.pick_worker(), pause_s)


def pause_within_lease(random: FaultRandom) -> Iterator[Fault]:
    """So many blocks pass that landed transactions leave the node's recent status cache."""
    for worker, at in zip(("worker-1", "worker-2"), random.spread_times(2), strict=True):
        yield Fault(at, FaultKind.PAUSE, worker, LEASE_S * random.pick_duration_s(0.5, 0.7))
        yield Fault(round(at + LEASE_S * 0.15, 2), FaultKind.ADVANCE_BLOCKS, "1000")


def halt_trading(random: FaultRandom) -> Iterator[Fault]:
    """Trading is halted three times: with workers as they are, paused before, and killed in it."""
    first, second, third = random.spread_times(3)
    for at in (first, second, third):
        yield Fault(at, FaultKind.HALT, duration_s=random.pick_duration_s(0.4, 0.9))
    yield Fault(round(second - 0.05, 2), FaultKind.PAUSE, random.pick_worker(), 0.5)
    yield Fault(round(third + 0.1, 2), FaultKind.KILL, random.pick_worker(), 0.2)


def disturb_signer(random: FaultRandom) -> Iterator[Fault]:
    """The signer is killed, paused for longer than a request waits, and flooded, all at once."""
    yield Fault(0, FaultKind.FLOOD_SIGNER, duration_s=random.post_s)
    first, second, third = random.spread_times(3)
    yield Fault(first, FaultKind.KILL, SIGNER, random.pick_duration_s(0.1, 0.5))
    yield Fault(second, FaultKind.PAUSE, SIGNER, random.pick_duration_s(2.2, 2.6))
    yield Fault(third, FaultKind.KILL, SIGNER, 0.1)
    yield Fault(third, FaultKind.KILL, random.pick_worker(), random.pick_duration_s(0.1, 0.3))


def kill_watching_workers(random: FaultRandom) -> Iterator[Fault]:
    """Prices rise, fall and come back, while those who watch them are killed and paused."""
    for at, bps in zip(random.spread_times(3), ("600", "-1100", "600"), strict=True):
        yield Fault(at, FaultKind.MOVE_PRICE, bps)
        yield Fault(at, FaultKind.KILL, random.pick_worker(), random.pick_duration_s(0.1, 0.5))
    pause_s = TRIGGER_LEASE_S * random.pick_duration_s(1.2, 1.5)
    yield Fault(random.pick_time(0.6, 0.7), FaultKind.PAUSE, random.pick_worker(), pause_s)


def crash_watchers(random: FaultRandom) -> Iterator[Fault]:
    """Workers crash one after the other, each at another point of its watch, and are alone then."""
    # Shards are claimed in parts, the first before anything waits.
    visits = {WatchPoint.SHARDS_CLAIMED: 2, WatchPoint.MARKS_RAISED: random.pick_integer(1, 2)}
    targets = [f"{point}:{visits.get(point, 1)}" for point in WatchPoint]
    yield Fault(0.01, FaultKind.CRASH_ALONE, " ".join(targets))


def pause_watching_workers(random: FaultRandom) -> Iterator[Fault]:
    """Each is paused past the lease of its shards, while prices move and come back.

    The other one takes the shards over; the paused one goes on with an old market for a while.
    """
    for n, worker in enumerate(("worker-1", "worker-2")):
        at = random.pick_time(0.1 + n * 0.5, 0.2 + n * 0.5)
        pause_s = TRIGGER_LEASE_S * random.pick_duration_s(1.2, 1.4)
        yield Fault(at, FaultKind.PAUSE, worker, pause_s)
        bps = ("700", "-1300")[n]
        yield Fault(round(at + pause_s * 0.5, 2), FaultKind.MOVE_PRICE, bps)
        yield Fault(round(at + pause_s * 1.05, 2), FaultKind.MOVE_PRICE, ("-654", "1494")[n])


def set_database_clock(random: FaultRandom) -> Iterator[Fault]:
    """The database's clock is set ahead past the expiry of what waits, and back again.

    A worker dies just before: its leases end at once by that clock, and later lie in the future.
    """
    at = random.pick_time(1.05, 1.2)  # when all are accepted: an order that is late is refused
    yield Fault(round(at - 0.15, 2), FaultKind.KILL, random.pick_worker(), 0.5)
    yield Fault(at, FaultKind.SET_CLOCK, str(CLOCK_AHEAD_S), random.pick_duration_s(0.6, 1.2))
    for n, bps in enumerate(("300", "500", "-1100", "389")):
        yield Fault(round(at + (n - 1.5) * 0.1, 2), FaultKind.MOVE_PRICE, bps)


def skew_worker_clock(random: FaultRandom) -> Iterator[Fault]:
    """The clock of a worker is wrong."""
    yield Fault(0, FaultKind.CLOCK_SKEW, "30 s", random.post_s + 0.5)


def terminate_workers(random: FaultRandom) -> Iterator[Fault]:
    """Transactions land late, so that all orders are in flight at SIGTERM."""
    late = encode_node_fault("late_landing", by_seconds=4)
    yield Fault(0, FaultKind.NODE_FAULT, late, random.post_s)
    yield Fault(random.pick_time(0.6, 0.7), FaultKind.TERMINATE, "worker-1")
    yield Fault(random.pick_time(0.95, 1), FaultKind.TERMINATE, "worker-2")


def lose_subscriptions(random: FaultRandom) -> Iterator[Fault]:
    """Notifications are lost, blocks not told, sockets closed, and for a while none is accepted."""
    lose = encode_node_fault("lose_notification", probability=0.4)
    fail = encode_node_fault("fail_block", probability=0.3)
    close = encode_node_fault("close_socket", probability=0.05)
    for fault in (lose, fail, close):
        yield Fault(0, FaultKind.NODE_FAULT, fault, random.post_s)
    at, refuse = random.pick_time(0.3, 0.6), encode_node_fault("refuse_socket")
    yield Fault(at, FaultKind.NODE_FAULT, refuse, random.pick_duration_s(1, 2))


def disorder_notifications(random: FaultRandom) -> Iterator[Fault]:
    """Notifications overtake each other, come twice, or tell what has not happened."""
    for fault in (
        encode_node_fault("late_notification", by_seconds=0.05, probability=0.3),
        encode_node_fault(
            "late_notification", by_seconds=random.pick_duration_s(1, 3), probability=0.1
        ),
        encode_node_fault("double_notification", probability=0.5),
        encode_node_fault("false_notification", probability=0.3),
    ):
        yield Fault(0, FaultKind.NODE_FAULT, fault, random.post_s + 0.5)


def refuse_blocks(random: FaultRandom) -> Iterator[Fault]:
    """The node has no subscriptions to blocks, and its notifications are out of order.

    Its sockets are closed in the beginning: what they are subscribed to is not refused any more.
    """
    refuse = encode_node_fault("refuse_method", methods=["blockSubscribe"])
    yield Fault(0, FaultKind.NODE_FAULT, refuse, random.post_s + 0.5)
    yield Fault(0, FaultKind.NODE_FAULT, encode_node_fault("close_socket"), 0.3)
    lose = encode_node_fault("lose_notification", probability=0.2)
    yield Fault(0, FaultKind.NODE_FAULT, lose, random.post_s)
    yield from disorder_notifications(random)


def disturb_notifications(random: FaultRandom) -> Iterator[Fault]:
    """Commit notifications are lost, come twice, late and out of order."""
    yield Fault(0, FaultKind.DISTURB_NOTIFICATIONS, duration_s=random.post_s + 0.5)
