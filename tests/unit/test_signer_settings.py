"""What a signer permits is what its settings say, or it does not start."""

from __future__ import annotations

import os

import pytest
from solders.pubkey import Pubkey

from backend.config import ConfigurationError, Settings
from backend.engine.wallets.signer_process import build_policy, find_user_ids
from backend.venues import MAINNET_VENUES
from tests.pools import SOL, USDC
from tests.unit.signer_messages import OTHER_MINT


@pytest.mark.parametrize(
    ("text", "by_mint", "permits_others"),
    [
        ("SOL=50,USDC=0.5", {SOL: 50 * 10**9, USDC: 500_000}, False),
        ("*", {}, True),
        (f"sol = 0, {OTHER_MINT}=7, *", {SOL: 0, OTHER_MINT: 7}, True),
    ],
)
def test_the_limits_of_a_day_are_in_tokens_or_of_a_mint_in_base_units(
    text: str, by_mint: dict[Pubkey, int], permits_others: bool
) -> None:
    policy = build_policy(Settings.load(signer_day_limits=text))
    assert (policy.day_limits, policy.permits_others) == (by_mint, permits_others)
    assert set(policy.venues) == set(MAINNET_VENUES.by_program)


@pytest.mark.parametrize(
    "text",
    ["SOL", "SOL=", "SOL=x", "SOL=-1", "SOL=1e-10", "SOL=NaN", "SOL=1,SOL=2", "XYZ=1", "=1"],
)
def test_limits_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ORDER_ENGINE_SIGNER_DAY_LIMITS"):
        Settings.load(signer_day_limits=text)


def test_a_signer_that_would_permit_nothing_or_tip_anybody_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="must say what may be sold"):
        build_policy(Settings.load())
    with pytest.raises(ConfigurationError, match="ORDER_ENGINE_SIGNER_TIP_ACCOUNTS"):
        Settings.load(signer_tip_accounts="somebody")


def test_users_are_named_or_numbered() -> None:
    assert find_user_ids("") == frozenset()
    assert find_user_ids("root, 65534") == {0, 65_534}
    assert find_user_ids(str(os.geteuid())) == {os.geteuid()}
    with pytest.raises(ConfigurationError, match="a user that there is not: nobody-at-all"):
        find_user_ids("nobody-at-all")
