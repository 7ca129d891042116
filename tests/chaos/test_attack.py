"""A short attack from the command line: its figures, and a client that sees no error."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.conftest import ROOT

RUN_S = 200


def test_a_client_sees_no_error_while_others_attack() -> None:
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "backend.cli", "attack", "--minutes", "0.15"),
            # Tests beside it slow it down: what is too late is for the long form to tell.
            *("--rate", "20", "--descriptors", "400", "--machine-ms", "20000"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "everything together: ok" in completed.stdout
    errors = re.search(r"errors +│ (\d+) +│ (\d+) +│", completed.stdout)
    assert errors is not None
    assert errors.groups() == ("0", "0")
