"""The trial of several nodes: real processes, and one node faulty at any time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.domain.lifecycle import Status
from backend.trials.audit.evidence import DatabaseSnapshot
from backend.trials.audit.records import OrderRow
from backend.trials.nodes.run import find_spent_attempts, run_orders
from backend.trials.nodes.system import NODES


@pytest.mark.long
async def test_orders_over_three_nodes_of_which_one_is_faulty_are_executed_once(
    data_dir: Path,
) -> None:
    result = await run_orders(data_dir, 60, nodes=NODES, rate=20, turn_s=0.1, seed=3)
    assert result.violations == []
    assert result.ends[Status.CONFIRMED] > 50
    assert len(result.seconds_by_fault) > 1


@pytest.mark.parametrize(
    ("status", "attempts", "why", "is_wrong"),
    [
        (Status.CONFIRMED, 1, "", False),
        (Status.CONFIRMED, 2, "(node_timeout: no response)", True),
        (Status.CONFIRMED, 2, "(slippage: less than the minimum)", False),
        (Status.FAILED, 1, "(node_unavailable: HTTP 503)", True),
        (Status.FAILED, 3, "(not_landed: never included)", True),
    ],
)
def test_an_attempt_that_a_node_has_cost_is_found(
    status: Status, attempts: int, why: str, *, is_wrong: bool
) -> None:
    row = OrderRow("1", status, 3, None, "a", "b", 1, None, False, attempts=attempts)
    at = {"1": datetime(2026, 1, 1, tzinfo=UTC)}
    snapshot = DatabaseSnapshot({"1": row}, [], {}, at, at, {"1": why} if why else {})
    assert bool(find_spent_attempts(snapshot, set())) is is_wrong
