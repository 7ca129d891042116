"""Waiting orders are released when a brute-force replay of the prices says that they should."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from backend.config import Profile, Settings
from backend.trials.oracle.orders import TYPES
from backend.trials.oracle.rules import Reading, Rule, Sense, find_met_step
from backend.trials.oracle.run import OraclePlan, OracleRun
from backend.trials.oracle.sliced_orders import TWAP
from backend.trials.oracle.sniper_orders import SNIPER
from backend.trials.oracle.system import WATCHER_SETTINGS
from tests.integration.apis import run_api
from tests.scenario import run_node

PLAN = OraclePlan(orders=480, steps=14, seed=7, restarts=1)


@pytest.mark.long
async def test_engine_and_replay_agree_about_each_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_node(data_dir) as node_url:
        settings = Settings.load(
            database_url=database_url,
            redis_url=redis_url,
            solana_rpc_url=node_url,
            profile=Profile.INSTANT,
            port=0,
            **WATCHER_SETTINGS,
        )
        async with run_api(settings) as api:
            result = await OracleRun(PLAN, settings, api.url, api.session).run()
    assert result.differences == []
    assert result.orders.total() == PLAN.orders
    for kind in TYPES:
        assert 0 < result.released[kind] < result.orders[kind]
        assert result.exact[kind] == result.orders[kind]
        assert 0 < result.restricted[kind] < result.orders[kind]
    assert 0 < result.released[SNIPER] < result.orders[SNIPER]
    assert 0 < result.orders[TWAP] == result.released[TWAP] == result.exact[TWAP]


def find(rule: Rule, *prices: int | None, restarts: tuple[int, ...] = ()) -> int | None:
    readings = [Reading(n, None if p is None else Fraction(p)) for n, p in enumerate(prices)]
    return find_met_step(rule, readings, restarts)


@pytest.mark.parametrize(
    ("sense", "reads", "prices", "met"),
    [
        (Sense.RISING, 1, (9, 10, 11), 1),
        (Sense.RISING, 2, (10, 9, 10, 11), 3),
        (Sense.RISING, 2, (10, None, 10, 9), None),
        (Sense.FALLING, 1, (11, 10), 1),
        (Sense.FALLING, 3, (10, 9, 11, 10, 9, 8), 5),
        (Sense.FALLING, 1, (11, None, 12), None),
    ],
)
def test_the_replay_of_a_price(
    sense: Sense, reads: int, prices: tuple[int | None, ...], met: int | None
) -> None:
    assert find(Rule(sense, Fraction(10), reads), *prices) == met


def test_the_replay_of_a_trailing_stop() -> None:
    assert find(Rule(Sense.TRAILING, None, 1, 1_000), 100, 200, 181, 180) == 3
    assert find(Rule(Sense.TRAILING, Fraction(150), 1, 1_000), 149, 130, 150, 140, 135) == 4
    assert find(Rule(Sense.TRAILING, None, 2, 1_000), 100, 90, 90) == 2


def test_the_replay_counts_anew_when_another_watcher_takes_over() -> None:
    rule = Rule(Sense.FALLING, Fraction(10), 3)
    assert find(rule, 10, 10, 10, 10) == 2
    assert find(rule, 10, 10, 10, 10, restarts=(1,)) == 3
