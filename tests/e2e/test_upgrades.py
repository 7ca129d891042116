"""Processes are replaced one by one: the small form of ``order-engine upgrade-trial``."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import ROOT
from tests.integration.commands import run_command

SMALL = ("--orders", "20", "--rate", "10", "--market-only", "--each", "1")


def require_history() -> None:
    argv = ("git", "-C", str(ROOT), "rev-parse", "HEAD")
    done = subprocess.run(argv, check=False, capture_output=True)
    if done.returncode:
        pytest.skip("the files come from no clone of the repository")


@pytest.mark.long
async def test_processes_are_replaced_under_orders_and_no_client_sees_more_than_a_retry() -> None:
    require_history()
    ended = await run_command("upgrade-trial", "--from", "HEAD", *SMALL)
    assert ended.exit_code == 0, ended.output
    assert "migrations: none" in ended.output
    assert ended.output.rstrip().endswith("ok")


async def test_a_revision_that_is_not_there_is_named() -> None:
    ended = await run_command("upgrade-trial", "--from=--output=x")
    assert ended.exit_code == 1
    assert "has no revision '--output=x'" in ended.output
