"""The rules of the audit, over independent evidence that each order was executed at most once.

The evidence has four independent sources: the responses that clients got, the events that
subscribers received, the rows of the database, and the chain's ledger. Pure, so that each rule has
a test in which it catches a planted violation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from backend.domain.lifecycle import Status
from backend.trials.audit.cancel_rules import (
    find_broken_cancels,
    find_false_lateness,
    find_wrong_cancels,
)
from backend.trials.audit.group_rules import find_broken_groups, find_wrong_children
from backend.trials.audit.launch_rules import find_wrong_snipes
from backend.trials.audit.records import (
    Evidence,
    ExecutedSwap,
    OrderRow,
    OrderTransition,
    Violation,
    ViolationKind,
)
from backend.trials.audit.slice_rules import find_wrong_slices
from backend.trials.audit.waiting_rules import find_early_releases, find_late_submissions


def audit(evidence: Evidence) -> list[Violation]:
    """Return every violation."""
    rules = (
        find_lost,
        find_doubled,
        find_stuck,
        find_gaps,
        find_subscriber_gaps,
        find_wrong_executions,
        find_worse_executions,
        find_overspending,
        find_wrong_balances,
        find_missing_amounts,
        find_wrong_cancels,
        find_broken_cancels,
        find_false_lateness,
        find_early_releases,
        find_wrong_slices,
        find_wrong_snipes,
        find_late_submissions,
        find_broken_groups,
        find_wrong_children,
        find_verification_faults,
    )
    return [violation for rule in rules for violation in rule(evidence)]


def find_lost(evidence: Evidence) -> Iterator[Violation]:
    """Find accepted orders that do not exist."""
    for key, ids in evidence.accepted.items():
        for order_id in ids - evidence.rows.keys():
            yield Violation(ViolationKind.LOST, f"order {order_id} of request {key} does not exist")


def find_doubled(evidence: Evidence) -> Iterator[Violation]:
    """Find requests with several orders, orders with several swaps, and unowned orders or swaps."""
    for key, ids in evidence.accepted.items():
        if len(ids) > 1:
            yield Violation(ViolationKind.DOUBLED, f"request {key} became {len(ids)} orders")
    known = frozenset[str]().union(*evidence.accepted.values())
    unknown = [
        row.id for row in evidence.rows.values() if {row.id, row.parent_id}.isdisjoint(known)
    ]
    for order_id in unknown:
        yield Violation(ViolationKind.DOUBLED, f"order {order_id} is unknown to all clients")
    for order_id, swaps in evidence.swaps_by_order.items():
        if len(swaps) > 1:
            yield Violation(
                ViolationKind.DOUBLED, f"order {order_id} was executed {len(swaps)} times"
            )
    for swap in evidence.swaps:
        if swap.signature not in evidence.order_by_signature:
            yield Violation(ViolationKind.DOUBLED, f"swap {swap.signature} belongs to no order")


def find_stuck(evidence: Evidence) -> Iterator[Violation]:
    """Find orders that have not ended, and others that are still leased.

    What waits for a price that the market has not had is not stuck; what waits for its slices is.
    """
    for row in evidence.rows.values():
        if not row.status.is_final and (row.status is not Status.WAITING or row.is_sliced):
            yield Violation(ViolationKind.STUCK, f"order {row.id} is still {row.status}")
        elif row.is_leased:
            yield Violation(ViolationKind.STUCK, f"order {row.id} is still leased")


def find_gaps(evidence: Evidence) -> Iterator[Violation]:
    """Find orders whose journal is not 1, 2, 3 … up to exactly one final status."""
    for row in evidence.rows.values():
        transitions = evidence.transitions_by_order.get(row.id, ())
        if [transition.seq for transition in transitions] != list(range(1, row.seq + 1)):
            yield Violation(
                ViolationKind.GAPS, f"the journal of order {row.id} is not 1 to {row.seq}"
            )
        ends = [transition for transition in transitions if Status(transition.status).is_final]
        if row.status.is_final and (len(ends) != 1 or transitions[-1].status != row.status):
            yield Violation(
                ViolationKind.GAPS, f"the journal of order {row.id} does not end in its status"
            )


def find_subscriber_gaps(evidence: Evidence) -> Iterator[Violation]:
    """Find subscribers that did not receive every transition once and in order."""
    for order_id, received in evidence.order_streams.items():
        transitions = evidence.transitions_by_order.get(order_id, [])
        if list(received) != list(transitions):
            yield Violation(
                ViolationKind.GAPS,
                f"order {order_id}: {_describe_difference(received, transitions)}",
            )
    for name, received in evidence.feed_streams.items():
        if list(received) != list(evidence.journal):
            yield Violation(
                ViolationKind.GAPS, f"{name}: {_describe_difference(received, evidence.journal)}"
            )


def find_missing_amounts(evidence: Evidence) -> Iterator[Violation]:
    """Find confirmed orders without their amount out, where the node told it."""
    for row in evidence.rows.values():
        is_missing = row.status is Status.CONFIRMED and row.amount_out is None and not row.is_sliced
        if is_missing and evidence.needs_amounts:
            message = f"order {row.id} is confirmed without its amount, which the node told"
            yield Violation(ViolationKind.WRONG, message)


def find_wrong_executions(evidence: Evidence) -> Iterator[Violation]:
    """Find orders whose stored execution differs from the ledger."""
    for row in evidence.rows.values():
        swaps = evidence.swaps_by_order.get(row.id, ())
        if row.status is not Status.CONFIRMED or row.is_sliced:
            for swap in swaps:
                message = f"order {row.id} is {row.status}, and swap {swap.signature} was executed"
                yield Violation(ViolationKind.WRONG, message)
        elif not any(_is_execution(swap, row) for swap in swaps):
            yield Violation(
                ViolationKind.WRONG,
                f"order {row.id} is confirmed, and its swap is not in the ledger",
            )


def find_worse_executions(evidence: Evidence) -> Iterator[Violation]:
    """Find orders that received less than their minimum, which is the price of a limit."""
    for row in evidence.rows.values():
        for swap in evidence.swaps_by_order.get(row.id, ()):
            if row.min_amount_out is not None and swap.amount_out < row.min_amount_out:
                message = f"order {row.id} received {swap.amount_out}, below {row.min_amount_out}"
                yield Violation(ViolationKind.WRONG, message)


def find_overspending(evidence: Evidence) -> Iterator[Violation]:
    """Find routes that spent more of a token in between than they had bought of it."""
    for order_id, swaps in evidence.swaps_by_order.items():
        for swap in swaps:
            for mint, change in swap.list_residuals().items():
                if change < 0:
                    message = f"order {order_id} spent {-change} of {mint}, which it had not bought"
                    yield Violation(ViolationKind.WRONG, message)


def find_wrong_balances(evidence: Evidence) -> Iterator[Violation]:
    """Find tokens of which the wallet's change differs from the sum over its orders.

    What a route leaves of the tokens in between, only the ledger tells.
    The balances of tokens that were launched meanwhile are not read.
    """
    expected: Counter[str] = Counter()
    for row in evidence.rows.values():
        if row.status is Status.CONFIRMED and not row.is_sliced:
            amount_out = row.amount_out
            if amount_out is None:  # not known yet: only the ledger tells it
                amount_out = sum(s.amount_out for s in evidence.swaps_by_order.get(row.id, ()))
            expected[row.mint_in] -= row.amount_in
            expected[row.mint_out] += amount_out
            for swap in evidence.swaps_by_order.get(row.id, ()):
                expected.update(swap.list_residuals())
    launched = {
        row.mint_out for row in evidence.rows.values() if row.id in evidence.guards
    } - evidence.balance_changes.keys()
    for mint in sorted((evidence.balance_changes.keys() | expected.keys()) - launched):
        if evidence.balance_changes and evidence.balance_changes.get(mint, 0) != expected[mint]:
            change = evidence.balance_changes.get(mint, 0)
            message = f"{mint}: the wallet changed by {change:+}, its orders by {expected[mint]:+}"
            yield Violation(ViolationKind.WRONG, message)


def find_verification_faults(evidence: Evidence) -> Iterator[Violation]:
    """Find what ``order-engine verify`` reports of the orders."""
    for fault in evidence.faults:
        order = "" if fault.order_id is None else f"order {fault.order_id} "
        message = f"verify: {order}{fault.reason} ({fault.rule})"
        yield Violation(ViolationKind.WRONG, message)


def _is_execution(swap: ExecutedSwap, row: OrderRow) -> bool:
    """Whether a swap is what a confirmed order says; its amount may not be known yet."""
    amount_out = swap.amount_out if row.amount_out is None else row.amount_out
    expected = (row.signature, row.mint_in, row.mint_out, row.amount_in, amount_out)
    return (
        swap.signature,
        swap.mint_in,
        swap.mint_out,
        swap.amount_in,
        swap.amount_out,
    ) == expected


def _describe_difference(
    received: Sequence[OrderTransition], expected: Sequence[OrderTransition]
) -> str:
    counts = Counter(received)
    missing = [transition for transition in expected if transition not in counts]
    repeated = [transition for transition, times in counts.items() if times > 1]
    unknown = counts.keys() - set(expected)
    parts = [
        f"{len(transitions)} {word} ({min(transitions)})"
        for word, transitions in (
            ("missing", missing),
            ("repeated", repeated),
            ("unknown", unknown),
        )
        if transitions
    ]
    return ", ".join(parts) or "out of order"
