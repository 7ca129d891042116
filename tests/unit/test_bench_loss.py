"""The benchmark's loss check finds each kind of contradiction."""

from __future__ import annotations

import pytest

from backend.trials.bench.verification import StoredOrder, find_violations

GOOD = [StoredOrder("a", "confirmed", False, "sig-a"), StoredOrder("b", "failed", False, None)]


def test_consistent_responses_database_and_ledger_have_no_violations() -> None:
    assert find_violations({"a", "b"}, GOOD, ["sig-a"]) == []


@pytest.mark.parametrize(
    ("accepted", "orders", "executed", "violation"),
    [
        ({"a", "b", "c"}, GOOD, ["sig-a"], "1 accepted orders are not stored, for example c"),
        ({"a"}, GOOD, ["sig-a"], "1 orders were stored without a response"),
        ({"a"}, [StoredOrder("a", "submitted", True, "sig-a")], [], "1 orders have not ended"),
        ({"a", "b"}, GOOD, [], "1 confirmed orders have no swap in the ledger"),
        ({"a", "b"}, GOOD, ["sig-a", "x"], "1 swaps in the ledger belong to no confirmed order"),
        ({"a", "b"}, GOOD, ["sig-a", "sig-a"], "1 orders are confirmed, 2 swaps executed"),
    ],
)
def test_each_violation_is_named(
    accepted: set[str], orders: list[StoredOrder], executed: list[str], violation: str
) -> None:
    assert violation in "; ".join(find_violations(accepted, orders, executed))
