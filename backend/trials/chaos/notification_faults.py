"""The faults of notifications: those of the node, and those of commits."""

from __future__ import annotations

from collections.abc import Iterator

from backend.trials.chaos.fault_kinds import Fault, FaultKind, FaultRandom, encode_node_fault


def lose_subscriptions(random: FaultRandom) -> Iterator[Fault]:
    """Notifications are lost, sockets closed, and for a while none is accepted."""
    lose = encode_node_fault("lose_notification", probability=0.4)
    close = encode_node_fault("close_socket", probability=0.05)
    for fault in (lose, close):
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


def disturb_notifications(random: FaultRandom) -> Iterator[Fault]:
    """Commit notifications are lost, come twice, late and out of order."""
    yield Fault(0, FaultKind.DISTURB_NOTIFICATIONS, duration_s=random.post_s + 0.5)
