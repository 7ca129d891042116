"""The promises, checked after a schedule is over, and those that are checked all along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from backend.domain.lifecycle import ATTEMPTS_MAX, TABLE, Status
from backend.execution.submission import TIP_S
from tests.simulation import node, postgres
from tests.simulation.chain import Chain, Landing, Transaction
from tests.simulation.database import Database, Entry, Row
from tests.simulation.plan import Plan

SLACK_S = 2.0
"""What round trips, quotes and deliveries take together."""


class Witness:
    """Looks at every transaction that arrives at the node."""

    def __init__(self, chain: Chain, database: Database, now: Callable[[], float]) -> None:
        self.problems: list[str] = []
        self._chain = chain
        self._database = database
        self._now = now

    def sent(self, transaction: Transaction) -> None:
        """A transaction arrived."""
        events = self._database.rows[transaction.order_id].events
        if not any(transaction.signature in entry.data for entry in events):
            self.problems.append(f"unstored: {_name(transaction)} was sent before it was stored")
        known = self._chain.sent[transaction.order_id]
        open_ = [each for each in known if self._chain.may_land(self._now(), each)]
        if len(open_) > 1:
            names = ", ".join(_name(each) for each in open_)
            self.problems.append(f"two open: {names} could all land")


def audit(plan: Plan, database: Database, chain: Chain, healed_at: float) -> Iterator[str]:
    """Every promise that was broken. Times are those of the database."""
    for row in database.rows.values():
        landings = [each for each in chain.landed.values() if each.transaction.order_id == row.id]
        swaps = [each for each in landings if each.err is None]
        for problem in (*ending(row, swaps), *history(row, landings, plan.terms.attempts_max)):
            yield f"{problem}: order {row.id.int & 0xFFFF} is {row.status}"
        for problem in _pace(plan, row, healed_at):
            yield f"{problem}: order {row.id.int & 0xFFFF}"


def standstill_s(plan: Plan, status: Status) -> float:
    """How long an order may stay in a status, once everything is healthy, besides its waits.

    Its lease runs out, or its job's time does; a sweep finds it. Then somebody drives it; and a
    transaction lands, or waits for its end.
    """
    terms, rules = plan.terms, plan.rules
    found_s = max(terms.lease_s, terms.rekick_s) + terms.sweep_s * 1.1
    lost_s = max(postgres.PATIENCE_S, node.PATIENCE_S)
    total_s = found_s + lost_s + SLACK_S
    if status is Status.SUBMITTED:
        end_s = (rules.valid_blocks + rules.finalized_blocks + 2) * rules.slot_s
        total_s += end_s + TIP_S + terms.poll_s + terms.resend_s
    return total_s * 1.02  # the database's clock is not that of the chain


def longest_s(plan: Plan) -> float:
    """How long an order may take, once everything is healthy."""
    quick = standstill_s(plan, Status.ROUTING)
    attempt = 3 * quick + standstill_s(plan, Status.SUBMITTED)
    wait_s = plan.terms.backoff_s * 2.0**ATTEMPTS_MAX
    return plan.terms.attempts_max * (attempt + wait_s) + quick


def ending(row: Row, swaps: list[Landing]) -> Iterator[str]:
    """What is wrong with how an order ended, given the swaps that were executed for it."""
    if row.open:
        yield "stuck"
    if row.lease_until is not None:
        yield "a lease is left"
    if len(swaps) > 1:
        yield f"doubled ({len(swaps)} swaps)"
    if row.status is Status.FAILED and swaps:
        yield "untrue (it was executed)"
    if row.status is Status.CONFIRMED:
        told = [(row.tx_hash, row.amount_out)]
        if [(each.transaction.signature, each.amount_out) for each in swaps] != told:
            yield "untrue (that was not executed)"


def history(row: Row, landings: list[Landing], attempts_max: int) -> Iterator[str]:
    """What is wrong with an order's events, given all that landed of it."""
    entries = row.events
    if [entry.seq for entry in entries] != list(range(1, row.seq + 1)):
        yield "a gap in its events"
    for before, after in pairwise(entries):
        if not _is_step(before, after, attempts_max):
            yield f"no step: {before.status} {before.attempt} to {after.status} {after.attempt}"
    if any(entry.epoch != entry.epoch_due for entry in entries):
        yield "written by somebody who had lost the lease"
    for landing in landings:
        if not any(landing.transaction.signature in entry.data for entry in entries):
            yield "landed and not in its events"


def _is_step(before: Entry, after: Entry, attempts_max: int) -> bool:
    for (status, _), rule in TABLE.items():
        if status is not before.status:
            continue
        if rule.retries and before.attempt >= attempts_max:
            step = Status.FAILED, before.attempt
        elif rule.retries:
            step = rule.to, before.attempt + 1
        else:
            step = rule.to, before.attempt
        if step == (after.status, after.attempt):
            return True
    return False


def _pace(plan: Plan, row: Row, healed_at: float) -> Iterator[str]:
    for before, after in pairwise(row.events):
        if after.at <= healed_at:
            continue
        stood_s = after.at - max(before.at, healed_at)
        allowed_s = standstill_s(plan, before.status) + before.wait_s
        if stood_s > allowed_s:
            yield f"slow ({stood_s:.1f} s of {allowed_s:.1f} in {before.status})"


def _name(transaction: Transaction) -> str:
    order = transaction.order_id.int & 0xFFFF
    return f"{transaction.signature[:6]} (order {order}, attempt {transaction.attempt})"
