"""A chaos run from the command line: real processes, one scenario, and its table of results."""

from __future__ import annotations

import pytest

from tests.e2e.up import run_command

RUN_S = 120


@pytest.mark.long
def test_a_run_injects_its_faults_audits_and_leaves_nothing_behind() -> None:
    output = run_command(
        *("chaos", "--seed", "3", "--scenario", "worker_killed_stored"), timeout_s=RUN_S
    )
    assert "80 orders" in output
    assert "3 faults" in output
    assert "everything together: ok" in output
    assert "data and logs are in" not in output
