"""Faults of the node and its chain, as generators that draw the times of each."""

from __future__ import annotations

from collections.abc import Iterator

from backend.trials.chaos.fault_kinds import Fault, FaultKind, FaultRandom, encode_node_fault
from backend.trials.chaos.timing import OUTAGE_S


def stop_node(random: FaultRandom) -> Iterator[Fault]:
    """The node is down for a while."""
    yield Fault(random.pick_time(0.2, 0.5), FaultKind.KILL, "chain", OUTAGE_S)


def pause_node(random: FaultRandom) -> Iterator[Fault]:
    """The node accepts connections and does not respond."""
    yield Fault(random.pick_time(0.2, 0.5), FaultKind.PAUSE, "chain", random.pick_duration_s(3, 4))


def overload_node(random: FaultRandom) -> Iterator[Fault]:
    """The node responds 429 and 503."""
    for status in (429, 503):
        busy = encode_node_fault("http", status=status, probability=0.3, retry_after_seconds=1)
        yield Fault(random.pick_time(0, 0.1), FaultKind.NODE_FAULT, busy, random.post_s)


def lose_responses(random: FaultRandom) -> Iterator[Fault]:
    """Responses to sent transactions are lost."""
    for mode in ("close", "error"):
        lose = encode_node_fault("lose_response", mode=mode, probability=0.4)
        yield Fault(0, FaultKind.NODE_FAULT, lose, random.post_s)


def drop_transactions(random: FaultRandom) -> Iterator[Fault]:
    """Transactions vanish, and blocks pass until they have expired."""
    yield Fault(
        0,
        FaultKind.NODE_FAULT,
        encode_node_fault("drop", probability=0.7),
        random.post_s + 0.5,
    )
    for at in (*random.spread_times(3), random.post_s + 0.5):
        yield Fault(at, FaultKind.ADVANCE_BLOCKS, "200")


def delay_statuses(random: FaultRandom) -> Iterator[Fault]:
    """The node reports statuses late."""
    late = encode_node_fault(
        "late_status", by_seconds=random.pick_duration_s(1, 2), probability=0.7
    )
    yield Fault(0, FaultKind.NODE_FAULT, late, random.post_s)


def fork_chain(random: FaultRandom) -> Iterator[Fault]:
    """The chain drops its newest blocks."""
    for at in random.spread_times(12):
        yield Fault(at, FaultKind.FORK_CHAIN, str(random.pick_integer(1, 2)))


def revert_swaps(random: FaultRandom) -> Iterator[Fault]:
    """Swaps fail on chain."""
    yield Fault(0, FaultKind.NODE_FAULT, encode_node_fault("fail", probability=0.3), random.post_s)


def disable_venues(random: FaultRandom) -> Iterator[Fault]:
    """One or both venues cannot be read."""
    for venue in ("raydium", "meteora"):
        down = encode_node_fault("down", venue=venue)
        yield Fault(
            random.pick_time(0, 0.5), FaultKind.NODE_FAULT, down, random.pick_duration_s(0.5, 1.5)
        )
