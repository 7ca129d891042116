"""The benchmark's check that nothing was lost finds each way in which something can be."""

from __future__ import annotations

import pytest

from backend.trials.bench.verification import Stored, lost

GOOD = [Stored("a", "confirmed", False, "sig-a"), Stored("b", "failed", False, None)]


def test_one_story_is_told_by_all() -> None:
    assert lost({"a", "b"}, GOOD, ["sig-a"]) == []


@pytest.mark.parametrize(
    ("accepted", "orders", "executed", "what"),
    [
        ({"a", "b", "c"}, GOOD, ["sig-a"], "1 accepted orders are not stored, for example c"),
        ({"a"}, GOOD, ["sig-a"], "1 orders were stored that nobody was told of"),
        ({"a"}, [Stored("a", "submitted", True, "sig-a")], [], "1 orders have not ended"),
        ({"a", "b"}, GOOD, [], "1 confirmed orders have no swap in the ledger"),
        ({"a", "b"}, GOOD, ["sig-a", "x"], "1 swaps in the ledger belong to no confirmed order"),
        ({"a", "b"}, GOOD, ["sig-a", "sig-a"], "1 orders are confirmed, 2 swaps executed"),
    ],
)
def test_what_is_lost_is_named(
    accepted: set[str], orders: list[Stored], executed: list[str], what: str
) -> None:
    assert what in "; ".join(lost(accepted, orders, executed))
