"""A chaos run from the command line: real processes, one scenario, and its table of results."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

RUN_S = 120


def test_a_run_injects_its_faults_audits_and_leaves_nothing_behind() -> None:
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "backend.cli", "chaos", "--seed", "3"),
            *("--scenario", "worker_killed_stored"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "80 orders" in completed.stdout
    assert "3 faults" in completed.stdout
    assert "everything together: ok" in completed.stdout
    assert "data and logs are in" not in completed.stdout
