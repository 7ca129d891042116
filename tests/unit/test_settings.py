"""Variables that are named as settings are, and are none; values that name what there is not."""

from __future__ import annotations

import asyncio

import pytest

from backend.config import ConfigurationError, Profile, Settings, find_unknown_variables
from backend.engine.wallets.signing_wallets import OpenedWallets
from backend.engine.worker import choose_poll_s, run_worker


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ORDER_ENGINE_APIKEYS", "ORDER_ENGINE_API_KEYS"),
        ("ORDER_ENGINE_ALLOWED_HOST", "ORDER_ENGINE_ALLOWED_HOSTS"),
        ("Order_Engine_Slippage", "ORDER_ENGINE_SLIPPAGE_BPS"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_probably_meant(
    name: str, meant: str
) -> None:
    [sentence] = find_unknown_variables({name: "value"})
    assert sentence == f"{name} is no setting, and is ignored: did you mean {meant}?"


def test_settings_and_the_variables_of_clients_are_known() -> None:
    known = ("ORDER_ENGINE_PORT", "order_engine_port", "ORDER_ENGINE_API_KEY", "REDIS_URL", "PATH")
    assert find_unknown_variables(known) == []


@pytest.mark.parametrize("profile", Profile)
def test_a_real_node_is_asked_for_a_signature_once_a_slot_whatever_the_profile(
    profile: Profile,
) -> None:
    settings = Settings.load(profile=profile)
    assert choose_poll_s(settings, OpenedWallets([], is_simulated=False)) == 0.4
    assert choose_poll_s(settings, OpenedWallets([], is_simulated=True)) <= 0.2


async def test_a_worker_refuses_to_crash_at_a_point_that_there_is_not() -> None:
    settings = Settings.load(crash_at="qouted:1")
    with pytest.raises(ConfigurationError, match=r"^ORDER_ENGINE_CRASH_AT names none of .*qouted$"):
        await run_worker(settings, on_ready=lambda: None, stop=asyncio.Event())
