"""Processes are killed while receivers are told of orders: nothing is lost, nothing overtakes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from backend.trials.webhooks.receivers import Manner, Receiver
from backend.trials.webhooks.run import audit, run_webhooks


@pytest.mark.long
async def test_every_event_arrives_in_order_however_processes_are_killed(data_dir: Path) -> None:
    result = await run_webhooks(data_dir, orders=20, kills=1, seed=1, timeout_s=60)
    assert result.violations == []
    assert (result.kills, result.events >= 20 * 4) == (1, True)


def test_the_audit_finds_what_is_lost_out_of_order_or_of_somebody_else() -> None:
    receiver = Receiver("anna", Manner.WELL, Random(1))
    receiver.seqs.update({"a": [1, 2, 2, 3], "b": [1, 3, 2], "x": [1]})
    receiver.taken.update({"a": {1, 2, 3}, "b": {1, 2, 3}, "c": {1}})
    violations = audit(receiver, {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2]})
    assert len(violations) == 3
    for part in ("somebody else: x", "b out of order", "[2] of c"):
        assert part in " ".join(violations)
