"""Applies outages to a cluster, by their strength from 0 (none) to 1."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.cluster import SimulatedCluster
from tests.simulation.model.network import NetworkFaults
from tests.simulation.plan import OutageKind


def set_outage(cluster: SimulatedCluster, kind: OutageKind, strength: float) -> None:
    """Begin an outage, or end it with a strength of 0."""
    _OUTAGES[kind](cluster, strength)


def _set_lossy(network: NetworkFaults, strength: float) -> None:
    network.loss_chance = network.response_loss_chance = network.late_chance = strength / 4


def _set_database_down(cluster: SimulatedCluster, strength: float) -> None:
    cluster.server.network.is_down = strength > 0


def _set_database_lossy(cluster: SimulatedCluster, strength: float) -> None:
    _set_lossy(cluster.server.network, strength)


def _set_database_busy(cluster: SimulatedCluster, strength: float) -> None:
    cluster.server.statement_faults.conflict_chance = strength / 2


def _set_database_full(cluster: SimulatedCluster, strength: float) -> None:
    cluster.server.statement_faults.disk_full_chance = strength


def _set_node_down(cluster: SimulatedCluster, strength: float) -> None:
    cluster.node_network.is_down = strength > 0


def _set_node_lossy(cluster: SimulatedCluster, strength: float) -> None:
    _set_lossy(cluster.node_network, strength)


def _set_node_busy(cluster: SimulatedCluster, strength: float) -> None:
    cluster.node_faults.busy_chance = strength


def _set_node_stalled(cluster: SimulatedCluster, strength: float) -> None:
    # Mostly most requests: otherwise another response soon reveals what the stale node misses.
    cluster.node_faults.stale_chance = min(strength * 2, 0.95)
    cluster.node_faults.stale_since = cluster.loop.time()


def _set_venues_down(cluster: SimulatedCluster, strength: float) -> None:
    cluster.venue_faults.unavailable_chance = strength


def _set_transactions_dropped(cluster: SimulatedCluster, strength: float) -> None:
    # Mostly all of them: only a transaction that is dropped every time outlives its blockhash.
    cluster.chain.faults.drop_chance = min(strength * 2, 1)


def _set_transactions_reverted(cluster: SimulatedCluster, strength: float) -> None:
    cluster.chain.faults.revert_chance = strength * 0.8


def _set_landing_slow(cluster: SimulatedCluster, strength: float) -> None:
    cluster.chain.faults.landing_max_s = cluster.plan.landing_max_s + strength * 20


def _set_statuses_late(cluster: SimulatedCluster, strength: float) -> None:
    cluster.chain.faults.late_status_chance = strength


def _set_chain_stalled(cluster: SimulatedCluster, strength: float) -> None:
    if strength:
        cluster.chain.stall(cluster.loop.time())
    else:
        cluster.chain.resume(cluster.loop.time())


def _set_queue_down(cluster: SimulatedCluster, strength: float) -> None:
    cluster.queue.faults.is_down = strength > 0
    if strength:
        cluster.queue.clear()
    else:
        cluster.queue.deliver()


def _set_queue_full(cluster: SimulatedCluster, strength: float) -> None:
    cluster.queue.faults.is_full = strength > 0


def _set_queue_lossy(cluster: SimulatedCluster, strength: float) -> None:
    faults = cluster.queue.faults
    faults.loss_chance = strength / 2
    faults.duplicate_chance = faults.delay_chance = faults.unacked_chance = strength / 3


def _set_history_missing(cluster: SimulatedCluster, strength: float) -> None:
    cluster.node_faults.has_no_history = strength > 0


_OUTAGES: dict[OutageKind, Callable[[SimulatedCluster, float], None]] = {
    OutageKind.DATABASE_DOWN: _set_database_down,
    OutageKind.DATABASE_LOSSY: _set_database_lossy,
    OutageKind.DATABASE_BUSY: _set_database_busy,
    OutageKind.DATABASE_FULL: _set_database_full,
    OutageKind.NODE_DOWN: _set_node_down,
    OutageKind.NODE_LOSSY: _set_node_lossy,
    OutageKind.NODE_BUSY: _set_node_busy,
    OutageKind.NODE_STALLED: _set_node_stalled,
    OutageKind.VENUES_DOWN: _set_venues_down,
    OutageKind.TRANSACTIONS_DROPPED: _set_transactions_dropped,
    OutageKind.TRANSACTIONS_REVERTED: _set_transactions_reverted,
    OutageKind.LANDING_SLOW: _set_landing_slow,
    OutageKind.STATUSES_LATE: _set_statuses_late,
    OutageKind.CHAIN_STALLED: _set_chain_stalled,
    OutageKind.QUEUE_DOWN: _set_queue_down,
    OutageKind.QUEUE_FULL: _set_queue_full,
    OutageKind.QUEUE_LOSSY: _set_queue_lossy,
    OutageKind.HISTORY_MISSING: _set_history_missing,
}
