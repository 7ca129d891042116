"""Orders that sell a share are judged by what they would sell, while the holdings change."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from backend.domain.tokens import SOL
from backend.triggers.shares import share_sales
from tests.integration.apis import wait_until
from tests.integration.share_orders import STOP, ShareEngine, run_share_engine, show
from tests.integration.test_api_amend import patch
from tests.integration.test_share_orders import FAR_STOP, RELEASED
from tests.integration.test_waiting_execution import list_statuses

UNIT = 10**SOL.decimals
LARGE = 2_000_000 * UNIT
"""So much SOL that selling it has half the price of one."""


@pytest.fixture(autouse=True)
def _short_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_sales, "HELD_S", 0.2)


async def wait_for_amount(engine: ShareEngine, order_id: UUID, amount: str) -> None:
    """Wait until an order is judged by this amount."""

    async def is_estimated() -> bool:
        return bool((await engine.read(order_id))["amountIn"] == amount)

    await wait_until(is_estimated)


async def test_a_market_that_meets_the_estimate_only_sells_nothing(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would sell by now is its estimate from then on: its price is that of so much."""
    monkeypatch.setattr(share_sales, "ESTIMATE_S", 3_600)
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        await engine.fund(LARGE)
        order_id = await engine.place(FAR_STOP, "all")
        await engine.leave_free(5 * UNIT)
        assert float((await engine.read(order_id))["executablePrice"]) < 60
        change = {"triggerPrice": "97", "allowImmediate": True}
        await patch(engine.engine.api, str(order_id), change)
        await wait_for_amount(engine, order_id, show(5 * UNIT))
        order = await engine.read(order_id)
        assert (order["status"], order["seq"], order["amountInShare"]) == ("waiting", 3, "all")
        assert float(order["executablePrice"]) > 97
        await engine.move_price(-500)
        events = await engine.engine.wait_for_end(order_id)
        assert list_statuses(events) == [*RELEASED[:2], *RELEASED[1:]]
        assert events[3]["amountIn"] == show(5 * UNIT)
        assert 90 < float(events[3]["executablePrice"]) <= 97


async def test_a_share_of_what_has_arrived_since_is_judged_by_its_own_price(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_sales, "ESTIMATE_S", 0.1)
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        await engine.leave_free(UNIT)
        order_id = await engine.place({**STOP, "triggerPrice": "60"}, "all")
        other = await engine.place({**STOP, "triggerPrice": "1"}, "50%")
        free = LARGE + UNIT
        await engine.fund(LARGE)  # so much of it has a price below the trigger
        events = await engine.engine.wait_for_end(order_id)
        assert list_statuses(events) == RELEASED
        assert events[2]["amountIn"] == show(free)
        assert float(events[2]["executablePrice"]) <= 60
        assert (await engine.read(other))["seq"] == 2


async def test_an_estimate_follows_the_holdings_and_takes_its_note_back(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_sales, "ESTIMATE_S", 0.1)
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(STOP, "50%")
        await engine.leave_free(0)
        await engine.move_price(-500)
        await engine.wait_for_note(order_id, "nothing_free")
        await engine.move_price(1_000)
        await engine.fund(8 * UNIT)
        await wait_for_amount(engine, order_id, show(4 * UNIT))
        order = await engine.read(order_id)
        assert (order["status"], order["seq"], order["lastError"]) == ("waiting", 2, None)


async def test_an_amendment_takes_the_note_back(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_sales, "ESTIMATE_S", 3_600)
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(STOP, "all")
        await engine.leave_free(0)
        await engine.move_price(-500)
        await engine.wait_for_note(order_id, "nothing_free")
        amended = await patch(engine.engine.api, str(order_id), {"triggerPrice": "50"})
        assert (amended["status"], amended["lastError"]) == ("waiting", None)


async def test_a_share_whose_price_impact_is_above_the_cap_leaves_the_others_theirs(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_sales, "ESTIMATE_S", 0.1)
    settings = {"max_price_impact_bps": 500}
    async with run_share_engine(database_url, redis_url, data_dir, **settings) as engine:
        await engine.leave_free(UNIT)
        capped = await engine.place({**STOP, "triggerPrice": "60"}, "all")
        other = await engine.place(STOP, "1%")
        await engine.fund(LARGE)
        await engine.wait_for_routing(capped)
        await engine.move_price(-500)
        events = await engine.engine.wait_for_end(other)
        assert events[-1]["status"] == "confirmed"
        assert float((await engine.read(other))["amountIn"]) > 19_000
        assert (await engine.read(capped))["status"] in ("routing", "waiting")
