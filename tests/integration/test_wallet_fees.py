"""Every lamport of the wallets is explained by what their orders tell."""

from __future__ import annotations

import pytest

from backend.trials.wallets.fees_run import run_fees_trial

TIMEOUT_S = 180


@pytest.mark.long
async def test_wallets_hold_what_mixed_orders_tell_to_the_lamport() -> None:
    figures = await run_fees_trial(64, 3, 2, TIMEOUT_S)
    assert list(figures.list_violations()) == []
    assert figures.statuses.total() == 64
    assert figures.balances >= 3 * 8
