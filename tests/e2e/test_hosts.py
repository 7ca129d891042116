"""Orders over four hosts whose network breaks: the small form of ``order-engine hosts``."""

from __future__ import annotations

import pytest

from tests.integration.commands import run_command
from tests.nginx import require_nginx

SMALL = ("--orders", "15", "--rate", "30", "--turn-s", "0.2", "--seed", "3")
FAULTS = ("cut one way", "reordered", "swizzled")
NOT_POSSIBLE = ("are not permitted here", "cannot be used")


@pytest.mark.long
async def test_orders_over_four_hosts_end_once_whatever_the_network_loses() -> None:
    require_nginx()
    only = [each for name in FAULTS for each in ("--only", name)]
    ended = await run_command("hosts", *SMALL, *only)
    for reason in NOT_POSSIBLE:
        if reason in ended.output:
            pytest.skip(ended.output.strip())
    assert ended.exit_code == 0, ended.output
    for name in FAULTS:
        assert f" {name}" in ended.output, ended.output
