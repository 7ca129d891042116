"""Logs and metrics of what a node refuses and limits: one function for each event."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge

from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_calls_paused = Counter(
    "rpc_calls_paused", "JSON-RPC calls held back by the node's limits", ["method", "outcome"]
)
_calls_limit = Gauge(
    "rpc_limit_calls_per_second", "Highest rate of JSON-RPC calls to the node now; 0: no limit"
)
_overloads = Counter(
    "rpc_overloads", "Times that the node began to refuse calls for its load", ["limited"]
)
_array_size = Gauge(
    "rpc_array_size",
    "Largest JSON-RPC array of a method that the node takes, once it refused one",
    ["method"],
)
_subscriptions_live = Gauge(
    "rpc_subscriptions_live", "Whether the node's WebSocket is open and has told a slot: 1 or 0"
)
_subscriptions_lost = Counter(
    "rpc_subscriptions_lost", "Times that the node's WebSocket was lost or could not be opened"
)
_subscriptions_refused = Counter(
    "rpc_subscriptions_refused", "Subscriptions that the node refused, or failed to serve", ["kind"]
)
_notifications = Counter("rpc_notifications", "Notifications of the node by subscription", ["kind"])
_notifications_ignored = Counter(
    "rpc_notifications_ignored", "Notifications that could not be used", ["reason"]
)
_pool_quotes = Counter("pool_quotes", "Pools quoted, by where their state came from", ["source"])
_signature_news = Counter(
    "signature_news", "Outcomes of sent transactions, by how they became known", ["source"]
)
_joint_reads_failed = Counter(
    "joint_reads_failed", "Requests for the accounts of several venues that failed"
)

_node_used = Gauge("rpc_node_used", "Whether a node of several is asked: 1 or 0", ["node"])
_node_slot = Gauge("rpc_node_slot", "Newest confirmed slot of a node of several", ["node"])
_nodes_disagree = Counter(
    "rpc_nodes_disagree", "Times that nodes contradicted each other", ["what"]
)
_bundles = Counter("bundles", "Transactions sent to the bundle endpoint", ["outcome"])

_get_quote_counter = cache(_pool_quotes.labels)
_get_notification_counter = cache(_notifications.labels)
_get_outcome_counter = cache(_signature_news.labels)


def program_missing(reason: str) -> None:
    """An exchange program is not at its address on the node's cluster."""
    _log.warning("a program is missing", reason=reason, effect="its pools are not traded")


_units_unknown = Counter(
    "compute_units_unknown", "Simulations that did not tell the compute units of a route"
)
_signatures_refused = Counter(
    "signatures_refused", "Transactions that the signer's policy does not permit", ["code"]
)
_signer_available = Gauge(
    "signer_available", "Whether the signer of a worker answers: 1 or 0", ["socket"]
)
_units_exceeded = Counter(
    "compute_units_exceeded", "Transactions that failed for exceeding their compute units"
)


def rpc_call_delayed(method: str) -> None:
    """A JSON-RPC call waits for the node's limits before it is sent."""
    _calls_paused.labels(method, "delayed").inc()


def rpc_call_postponed(method: str) -> None:
    """A JSON-RPC call was not sent, since it would have had to wait for too long."""
    _calls_paused.labels(method, "postponed").inc()


def node_overloaded(limited: str, pause_s: float, calls_per_s: float) -> None:
    """The node refused calls for its load: those of one method, or ``all``."""
    _overloads.labels(limited).inc()
    _log.warning(
        "node limits calls",
        limited=limited,
        pause_s=round(pause_s, 3),
        calls_per_s=round(calls_per_s, 1),
    )


def rpc_limit_changed(calls_per_s: float) -> None:
    """The highest rate of calls to the node changed; 0 means no limit."""
    _calls_limit.set(calls_per_s)


def rpc_array_size_changed(method: str, size: int) -> None:
    """Another size became the largest array of calls that the node takes."""
    _array_size.labels(method).set(size)
    _log.info("array size of node changed", method=method, size=size)


def subscriptions_live() -> None:
    """The node's WebSocket is open and tells slots."""
    _subscriptions_live.set(1)
    _log.info("subscriptions to the node are live")


def subscriptions_lost(reason: str) -> None:
    """The node's WebSocket was lost, or could not be opened: the node is polled instead."""
    _subscriptions_live.set(0)
    _subscriptions_lost.inc()
    _log.info("no subscriptions to the node, it is polled", reason=reason)


def subscription_refused(kind: str) -> None:
    """The node refused to make a subscription."""
    _subscriptions_refused.labels(kind).inc()


def subscriptions_paused(kind: str, reason: str) -> None:
    """Subscriptions of a kind were given up for a while, as they did not tell what they should."""
    _subscriptions_refused.labels(kind).inc()
    _log.warning("subscriptions to the node are paused", kind=kind, reason=reason)


def notification_received(kind: str) -> None:
    """A notification for a subscription arrived."""
    _get_notification_counter(kind).inc()


def notification_ignored(reason: str) -> None:
    """A notification was ignored: malformed, or of no subscription that is known."""
    _notifications_ignored.labels(reason).inc()


def pool_quoted(source: str) -> None:
    """A pool is quoted as it came from a ``subscription``, a ``recent`` read, or a ``read``."""
    _get_quote_counter(source).inc()


def signature_resolved(source: str) -> None:
    """How the outcome of a transaction became known.

    By a ``block`` that has it, by a ``notification`` after which it was fetched, or by ``polling``.
    """
    _get_outcome_counter(source).inc()


def joint_read_failed() -> None:
    """A request for the accounts of several venues failed: for a while they are read apart."""
    _joint_reads_failed.inc()
    _log.warning("venues are read apart", reason="a request for the accounts of several failed")


def node_checked(name: str, slot: int, *, is_used: bool) -> None:
    """One node of several was checked."""
    _node_used.labels(name).set(is_used)
    _node_slot.labels(name).set(slot)


def node_left_out(name: str, reason: str, slot: int) -> None:
    """One node of several is not asked any more, for a reason that may pass."""
    _log.warning("node left out", node=name, reason=str(reason), slot=slot)


def node_used_again(name: str) -> None:
    """A node that was left out is asked again."""
    _log.info("node used again", node=name)


def bundle_sent(outcome: str) -> None:
    """A bundle endpoint has taken a transaction (``ok``), or not, by the code of its error."""
    _bundles.labels(outcome).inc()


def nodes_disagree(what: str) -> None:
    """Nodes contradict each other, and no other node can be asked."""
    _nodes_disagree.labels(what).inc()
    _log.warning("nodes disagree", what=what)


def compute_units_unknown(reason: str) -> None:
    """A simulation told nothing of the compute units of a route: a fixed limit is used."""
    _units_unknown.inc()
    _log.info("no compute units from a simulation, a fixed limit is used", reason=reason)


def compute_units_exceeded(limit: int) -> None:
    """A transaction failed as it needed more compute units than its limit."""
    _units_exceeded.inc()
    _log.warning("a transaction exceeded its compute units", limit=limit)


def signature_refused(code: str, reason: str) -> None:
    """The signer does not permit a transaction."""
    _signatures_refused.labels(code).inc()
    _log.warning("the signer refuses a transaction", code=code, reason=reason)


def signer_away(socket: str, reason: str) -> None:
    """The signer does not answer: orders that are to be signed wait for it."""
    _signer_available.labels(socket).set(0)
    _log.error("the signer is away: orders wait", reason=reason)


def signer_answers(socket: str) -> None:
    """The signer answers, for the first time or again."""
    _signer_available.labels(socket).set(1)
    _log.info("the signer answers", socket=socket)


def wallet_file_unused(path: Path) -> None:
    """The node is the simulated one, whose paper wallet pays."""
    _log.warning(
        "the wallet file is not used: the paper wallet of the simulated node pays"
        " (ORDER_ENGINE_WALLET_FILES names wallets for it)",
        file=str(path),
    )
