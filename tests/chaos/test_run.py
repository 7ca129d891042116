"""A chaos run from its command line: real processes, one scenario, and its table."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

RUN_S = 120


def test_a_run_breaks_what_it_says_audits_it_and_leaves_nothing_behind() -> None:
    done = subprocess.run(
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
    assert done.returncode == 0, done.stdout + done.stderr
    assert "80 orders" in done.stdout
    assert "3 faults" in done.stdout
    assert "everything together: ok" in done.stdout
    assert "data and logs are in" not in done.stdout
