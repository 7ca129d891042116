"""The audit catches every violation of what is promised of groups and brackets."""

from __future__ import annotations

from dataclasses import replace

from backend.domain.lifecycle import Status
from backend.trials.audit.group_rules import find_broken_groups, find_wrong_children
from backend.trials.audit.records import Evidence, OrderRow, ViolationKind
from tests.chaos.test_audit import DONE, FAILED, SOL, USDC, evidence, violated_kinds

ONE = replace(DONE, oco_group="g")
OTHER = replace(FAILED, oco_group="g", status=Status.CANCELLED, cancel_reason="cancelled_by_oco")


def group_evidence(*rows: OrderRow) -> Evidence:
    """Only rows, and what the ledger has of the first one."""
    return replace(evidence(), rows={row.id: row for row in rows}, journal=())


def find_in_groups(*rows: OrderRow) -> list[ViolationKind]:
    planted = group_evidence(*rows)
    return [each.kind for rule in GROUP_RULES for each in rule(planted)]


GROUP_RULES = (find_broken_groups, find_wrong_children)


def test_of_a_group_one_order_is_executed_and_the_other_withdrawn() -> None:
    assert find_in_groups(ONE, OTHER) == []
    assert find_in_groups(ONE, replace(OTHER, status=Status.FAILED, cancel_reason=None)) == []
    both = find_in_groups(ONE, replace(OTHER, status=Status.CONFIRMED, cancel_reason=None))
    assert both == [ViolationKind.DOUBLED]
    waiting = find_in_groups(ONE, replace(OTHER, status=Status.WAITING, cancel_reason=None))
    assert waiting == [ViolationKind.STUCK]
    failed = replace(ONE, id="c", status=Status.FAILED, signature=None, amount_out=None)
    assert find_in_groups(failed, OTHER) == [ViolationKind.LOST]


ENTRY = replace(DONE, bracket_size=2)
PROFIT = OrderRow(
    "p", Status.WAITING, 2, None, USDC, SOL, 990, None, is_leased=False, parent_id="a"
)
STOP = replace(PROFIT, id="s")


def test_an_entry_has_the_orders_of_its_bracket_for_what_it_received() -> None:
    assert find_in_groups(ENTRY, PROFIT, STOP) == []
    assert find_in_groups(ENTRY, PROFIT) == [ViolationKind.LOST]
    assert find_in_groups(ENTRY, PROFIT, STOP, replace(STOP, id="t")) == [ViolationKind.DOUBLED]
    assert find_in_groups(ENTRY, PROFIT, replace(STOP, amount_in=991)) == [ViolationKind.WRONG]
    assert find_in_groups(ENTRY, PROFIT, replace(STOP, mint_in=SOL)) == [ViolationKind.WRONG]
    failed = replace(ENTRY, status=Status.FAILED, amount_out=None)
    assert find_in_groups(failed) == []
    assert find_in_groups(failed, PROFIT) == [ViolationKind.WRONG]
    unknown = replace(ENTRY, amount_out=None)  # no node has told it yet
    assert find_in_groups(unknown) == []


def test_an_order_whose_parent_no_client_received_is_doubled() -> None:
    planted = replace(evidence(), rows={**evidence().rows, "p": replace(PROFIT, parent_id="x")})
    assert ViolationKind.DOUBLED in violated_kinds(planted)
    planted = replace(planted, rows={**planted.rows, "p": PROFIT})
    assert ViolationKind.DOUBLED not in violated_kinds(planted)
