"""The log has no local variables: headers, and keys in them, would be among those."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

SECRET = "anna-key-0123456789"
PROGRAM = """
import logging, sys
import structlog
from backend.runtime import observe

observe.configure_logging("info", sys.argv[1])

def authenticate(headers):
    raise RuntimeError("it fails")

try:
    authenticate({"authorization": "Bearer " + "-".join(["anna", "key", "0123456789"])})
except RuntimeError as error:
    observe.request_failed("/api/orders", error)
    structlog.get_logger().exception("of structlog")
    logging.getLogger("hypercorn.error").exception("of a library")
    logging.getLogger("asyncio").error("of a library", exc_info=error)
"""


@pytest.mark.parametrize("style", ["console", "json", "auto"])
def test_no_traceback_has_the_values_of_variables(style: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, style],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr.count("RuntimeError: it fails") == 4
    assert SECRET not in run.stderr + run.stdout
