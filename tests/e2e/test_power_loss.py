"""Orders while PostgreSQL's disk loses power: the small form of ``order-engine power-loss``."""

from __future__ import annotations

import pytest

from tests.integration.commands import run_command

SMALL = ("--orders", "30", "--rate", "30", "--cuts", "1", "--seed", "3")
NOT_POSSIBLE = "file systems cannot be made here"


@pytest.mark.long
async def test_what_was_answered_is_there_after_the_power_of_the_disk_was_cut() -> None:
    ended = await run_command("power-loss", *SMALL)
    if NOT_POSSIBLE in ended.output:
        pytest.skip(ended.output.strip().splitlines()[-1])
    assert ended.exit_code == 0, ended.output
    assert "1 cuts of power" in ended.output, ended.output
