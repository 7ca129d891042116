"""Checks the guarantees after a schedule, and those that need a check at every send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from uuid import UUID

from backend.domain import backoff
from backend.domain.conditions import Release, get_release
from backend.domain.groups.children import build_children
from backend.domain.lifecycle import (
    ATTEMPTS_MAX,
    FINAL_STATUSES,
    TRANSITIONS,
    Status,
    advance,
)
from backend.domain.orders import TimeInForce
from backend.domain.waiting.slices import SliceSchedule
from backend.execution import outage
from backend.execution.confirmation import signature_watch
from backend.store.withdrawals.cancellations import CancelReason
from tests.simulation.model import node, postgres
from tests.simulation.model.chain import ChainModel, Landing, SubmittedTransaction
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.rows import EventRow, OrderRow
from tests.simulation.model.slices import is_sliced
from tests.simulation.plan import Plan
from tests.simulation.slicing import find_slice_violations

PASSING_CODES = frozenset(
    {"min_out_not_met", "not_landed", "out_of_compute", "venues_unavailable", "venue_timeout"}
)
"""The codes of failures that pass: what waits for a price, or has to be sold, does not end so."""
UNBOUNDED_TRIES = 4
"""So many more attempts an order without a bound may have after the faults."""
SLACK_S = 2.0
"""What round trips, quotes and job deliveries take together."""


class SendMonitor:
    """Checks every transaction that arrives at the node."""

    def __init__(
        self, chain: ChainModel, database: DatabaseModel, now: Callable[[], float]
    ) -> None:
        self.violations: list[str] = []
        self._chain = chain
        self._database = database
        self._now = now

    def check(self, transaction: SubmittedTransaction) -> None:
        """Check that it was stored, and that no other one of its order or group can land."""
        events = self._database.rows[transaction.order_id].events
        if not any(transaction.signature in entry.data for entry in events):
            self.violations.append(
                f"unstored: {_describe(transaction)} was sent before it was stored"
            )
        row = self._database.rows[transaction.order_id]
        sibling = self._database.find_sibling(row)
        sent = [*self._chain.submissions[transaction.order_id]]
        if sibling is not None:
            sent += self._chain.submissions.get(sibling.id, [])
        landable = [each for each in sent if self._chain.can_land(self._now(), each)]
        if len(landable) > 1:
            names = ", ".join(_describe(each) for each in landable)
            self.violations.append(f"two open: {names} could all land")


def audit(
    plan: Plan, database: DatabaseModel, chain: ChainModel, healed_at: float
) -> Iterator[str]:
    """Yield every violation. Times are those of the database."""
    for row in database.rows.values():
        if is_sliced(row):
            for violation in find_slice_violations(row, database):
                yield f"{violation}: order {row.id.int & 0xFFFF} is {row.status}"
            continue
        landings = [each for each in chain.landings.values() if each.transaction.order_id == row.id]
        swaps = [each for each in landings if each.err is None]
        for violation in (
            *find_end_violations(row, swaps),
            *find_history_violations(row, landings, _bound_attempts(plan, row)),
            *find_waiting_violations(row),
            *find_fee_violations(row, landings),
            *find_expiry_violations(row),
        ):
            yield f"{violation}: order {row.id.int & 0xFFFF} is {row.status}"
        for violation in find_group_violations(row, database):
            yield f"{violation}: order {row.id.int & 0xFFFF} is {row.status}"
        for violation in _find_slow_transitions(plan, row, healed_at):
            yield f"{violation}: order {row.id.int & 0xFFFF}"


def status_bound_s(plan: Plan, status: Status) -> float:
    """Return how long an order may stay in a status without faults, besides its backoff.

    Its lease expires, or its job is overdue; a sweep finds it; a worker drives it; and a
    transaction lands or expires.
    """
    settings, rules = plan.settings, plan.rules
    detection_s = max(settings.lease_s, settings.rekick_s) + settings.sweep_s * 1.1
    retry_s = max(postgres.TIMEOUT_MAX_S, node.TIMEOUT_MAX_S)
    total_s = detection_s + retry_s + SLACK_S
    if status in (Status.ROUTING, Status.BUILDING):
        total_s += outage.PAUSE_MAX_S * (1 + outage.PAUSE_JITTER)
    if status is Status.SUBMITTED:
        expiry_s = (rules.valid_blocks + rules.finalized_blocks + 2) * rules.slot_s
        total_s += expiry_s + settings.poll_s + settings.resend_s + settings.history_wait_s
        total_s += 2 * signature_watch.POLL_INTERVAL_S_MAX + signature_watch.RETRY_S_MAX
    return total_s * 1.02  # the database's clock drifts


def order_bound_s(plan: Plan) -> float:
    """Return how long an order may take without faults."""
    quick_s = status_bound_s(plan, Status.ROUTING)
    attempt_s = 3 * quick_s + status_bound_s(plan, Status.SUBMITTED)
    wait_s = plan.settings.backoff_s * 2.0**ATTEMPTS_MAX
    bound_s = plan.settings.attempts_max * (attempt_s + wait_s) + quick_s
    for schedule in plan.conditions.values():
        if isinstance(schedule, SliceSchedule):
            bound_s *= 2
            bound_s += (schedule.slices + 1) * schedule.ahead_max.total_seconds()
    if plan.has_waiting_orders:
        bound_s += UNBOUNDED_TRIES * (attempt_s + backoff.LONGEST_MS / 1000)
    # The second of a group waits for the first, and children for their parent.
    return bound_s * (1 + bool(plan.pairs) + 2 * bool(plan.brackets))


def _bound_attempts(plan: Plan, row: OrderRow) -> int | None:
    release = _find_release(row)
    is_latched = release is not None and release.limit is None
    return None if is_latched else plan.settings.attempts_max


def _find_release(row: OrderRow) -> Release | None:
    condition = row.terms.condition
    if condition is None or row.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        return None
    return get_release(condition)


def find_cancel_violations(
    told_cancelled: Iterable[UUID], database: DatabaseModel
) -> Iterator[str]:
    """Yield the orders that are not cancelled, though their client was told so."""
    for order_id in sorted(told_cancelled):
        status = database.rows[order_id].status
        if status is not Status.CANCELLED:
            yield f"not cancelled: order {order_id.int & 0xFFFF} is {status}"


def find_end_violations(row: OrderRow, swaps: list[Landing]) -> Iterator[str]:
    """Yield the violations of how an order ended, given the swaps executed for it."""
    if row.open:
        yield "stuck"
    if row.lease_until is not None:
        yield "unreleased lease"
    if len(swaps) > 1:
        yield f"doubled ({len(swaps)} swaps)"
    if row.status in FINAL_STATUSES - {Status.CONFIRMED} and swaps:
        yield f"wrong status ({row.status}, but executed)"
    if row.status is Status.CONFIRMED:
        yield from _find_fill_violations(row, swaps)


def _find_fill_violations(row: OrderRow, swaps: list[Landing]) -> Iterator[str]:
    if [each.transaction.signature for each in swaps] != [row.tx_hash]:
        yield "wrong status (confirmed, but not executed)"
    elif row.amount_out not in (None, swaps[0].amount_out):
        yield "wrong amount"
    if row.amount_pending != (True if row.amount_out is None else None):
        yield "wrong mark of an unknown amount"


def find_fee_violations(row: OrderRow, landings: list[Landing]) -> Iterator[str]:
    """Yield the violations of what an order has cost: each landed transaction is paid once."""
    is_known = not row.costs_unknown and not row.amount_pending
    expected = len(landings) * node.NETWORK_FEE
    fees = row.network_fee_lamports or 0
    if fees != expected if is_known else fees >= expected:
        yield f"wrong fee ({fees} for {len(landings)} transactions)"


def find_history_violations(
    row: OrderRow, landings: list[Landing], attempts_max: int | None
) -> Iterator[str]:
    """Yield the violations of an order's events, given its landed transactions."""
    entries = row.events
    if [entry.seq for entry in entries] != list(range(1, row.seq + 1)):
        yield "gap in its events"
    for previous, current in pairwise(entries):
        if not _is_valid_step(previous, current, attempts_max):
            step = f"{previous.status} {previous.attempt} to {current.status} {current.attempt}"
            yield f"invalid step: {step}"
    if any(entry.epoch != entry.epoch_due for entry in entries):
        yield "written with a stale epoch"
    for landing in landings:
        if not any(landing.transaction.signature in entry.data for entry in entries):
            yield "landed without an event"


def find_waiting_violations(row: OrderRow) -> Iterator[str]:
    """Yield the violations of an order that waits, and of one that has waited."""
    release, statuses = _find_release(row), [entry.status for entry in row.events]
    if release is None:
        if Status.WAITING in statuses:
            yield "waits for nothing"
        return
    if statuses[:2] != [Status.PENDING, Status.WAITING]:
        yield "routed before its condition was met"
    if release.limit is None and Status.WAITING in statuses[2:]:
        yield "waits again after its trigger"
    code = (row.last_error or "").partition(":")[0]
    if row.status is Status.FAILED and code in PASSING_CODES:
        yield f"given up ({code})"


def find_group_violations(row: OrderRow, database: DatabaseModel) -> Iterator[str]:
    """Yield the violations of the rules of groups and brackets."""
    sibling = database.find_sibling(row)
    if sibling is not None:
        is_filled = sibling.status is Status.CONFIRMED
        if is_filled and row.status is Status.CONFIRMED:
            yield "both of a group"
        if row.cancel_reason == CancelReason.SIBLING_FILLED and not is_filled:
            yield "lost through the other of its group"
    if row.bracket is None:
        return
    children = [each for each in database.rows.values() if each.parent_id == row.id]
    received = row.amount_out if row.status is Status.CONFIRMED else None
    expected = build_children(row.id, row.terms, row.bracket, received) if received else ()
    placed = {(each.id, each.terms, each.oco_group) for each in children}
    if placed != {(each.id, each.terms, each.oco_group) for each in expected}:
        yield f"wrong children ({len(children)} of {len(expected)} for {received})"


def find_expiry_violations(row: OrderRow) -> Iterator[str]:
    """Yield the violations of an order's expiry, and of how many attempts it has."""
    expires_at = float("inf") if row.expires_at is None else row.expires_at
    for previous, current in pairwise(row.events):
        if current.at >= expires_at and current.status is Status.SUBMITTED:
            yield "submitted after its expiry"
        is_claim = (previous.status, current.status) == (Status.PENDING, Status.ROUTING)
        if current.at >= expires_at and is_claim:
            yield "claimed after its expiry"
    is_one_attempt = row.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if row.status is Status.EXPIRED and row.events[-1].at < expires_at and not is_one_attempt:
        yield "expired before its expiry"
    if is_one_attempt and row.attempts > 1:
        yield "a second attempt of an order that has one"


def _is_valid_step(previous: EventRow, current: EventRow, attempts_max: int | None) -> bool:
    steps = (
        advance(status, previous.attempt, cause, attempts_max=attempts_max)
        for status, cause in TRANSITIONS
        if status is previous.status
    )
    target = current.status, current.attempt
    return any((step.status, step.attempt) == target for step in steps)


def _find_slow_transitions(plan: Plan, row: OrderRow, healed_at: float) -> Iterator[str]:
    for previous, current in pairwise(row.events):
        if current.at <= healed_at:
            continue
        if previous.status is Status.WAITING and row.oco_group is not None:
            continue  # while the other order of its group is executed
        elapsed_s = current.at - max(previous.at, healed_at)
        allowed_s = status_bound_s(plan, previous.status) + previous.wait_s
        if elapsed_s > allowed_s:
            yield f"slow ({elapsed_s:.1f} s of {allowed_s:.1f} in {previous.status})"


def _describe(transaction: SubmittedTransaction) -> str:
    order = transaction.order_id.int & 0xFFFF
    return f"{transaction.signature[:6]} (order {order}, attempt {transaction.attempt})"
