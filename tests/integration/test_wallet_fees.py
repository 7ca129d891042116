"""What orders tell of their costs explains every lamport; none pays more than it may."""

from __future__ import annotations

import pytest

from backend.trials.wallets.fees_run import run_fees_trial
from backend.trials.wallets.landing_run import POLICIES, run_landing_trial

TIMEOUT_S = 180


@pytest.mark.long
async def test_wallets_hold_what_mixed_orders_tell_to_the_lamport() -> None:
    figures = await run_fees_trial(64, 3, 2, TIMEOUT_S)
    assert list(figures.list_violations()) == []
    assert figures.statuses.total() == 64
    assert figures.balances >= 3 * 8


@pytest.mark.long
async def test_no_transaction_pays_more_than_the_ceiling_whatever_blocks_charge() -> None:
    policy = POLICIES[1]
    figures = await run_landing_trial(policy, 30, 20, TIMEOUT_S)
    assert list(figures.list_violations()) == []
    assert len(figures.fees) == len(figures.slots) == 30
    assert max(figures.fees) == policy.ceiling_lamports
