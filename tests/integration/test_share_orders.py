"""Orders that sell a share of what the wallet holds: decided when they trigger, and exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from backend.domain.amounts import Token, floor_div
from backend.domain.tokens import SOL
from backend.store.waiting.share_releases import InFlightOrder, MetShare
from backend.triggers.shares import share_sales
from tests.integration.apis import wait_until
from tests.integration.share_orders import (
    FEE,
    RESERVE,
    SOL_ORDER,
    STOP,
    run_share_engine,
    show,
)
from tests.integration.test_waiting_execution import list_statuses

UNIT = 10**SOL.decimals
RELEASED = ["pending", "waiting", "routing", "building", "submitted", "confirmed"]
FAR_STOP = {**STOP, "triggerPrice": "1"}
"""Its price is never met."""


@pytest.fixture(autouse=True)
def _short_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_sales, "HELD_S", 0.2)


async def test_all_is_what_the_wallet_holds_when_it_triggers_to_the_last_lamport(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        held = await engine.client.read_balance(SOL)
        order_id = await engine.place(STOP, "all")
        order = await engine.read(order_id)
        assert (order["amountInShare"], order["status"]) == ("all", "waiting")
        assert order["amountIn"] == show(held - FEE - RESERVE)
        free = 7 * UNIT + 123_456_789
        await engine.leave_free(free)
        await engine.move_price(-500)
        events = await engine.engine.wait_for_end(order_id)
        assert list_statuses(events) == RELEASED
        assert events[0]["amountInShare"] == "all"
        released = events[2]
        assert (released["amountIn"], released["amountInShare"]) == (show(free), "all")
        assert released["triggerPrice"] == "97"
        order = await engine.read(order_id)
        assert (order["amountIn"], order["status"]) == (show(free), "confirmed")
        assert await engine.client.read_balance(SOL) == RESERVE


async def test_a_percentage_is_rounded_down_and_its_limit_is_that_of_what_it_sells(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        body = {**SOL_ORDER, "type": "takeProfit", "triggerPrice": "103"}
        order_id = await engine.place(body, "12.5%", confirmations=1)
        free = 8 * UNIT + 7
        await engine.leave_free(free)
        await engine.move_price(500)
        events = await engine.engine.wait_for_end(order_id)
        sold = floor_div(free, 8)
        assert events[-1]["status"] == "confirmed"
        assert (events[2]["amountIn"], events[2]["minAmountOut"]) == (show(sold), "103")
        assert (await engine.read(order_id))["amountIn"] == show(sold)
        assert await engine.client.read_balance(SOL) == free + RESERVE - sold


async def test_what_orders_in_execution_are_about_to_sell_is_not_free(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(STOP, "50%")
        await engine.leave_free(10 * UNIT)
        await engine.engine.arm_fault(fault="drop")
        other = await engine.place(SOL_ORDER, "4")
        await engine.engine.wait_for_events(other, "submitted", 1)  # type: ignore[arg-type]
        await engine.move_price(-500)
        released = await engine.wait_for_routing(order_id)
        assert released["amountIn"] == show(floor_div(6 * UNIT - FEE, 2))


async def test_of_two_that_trigger_at_once_the_second_sells_of_what_the_first_leaves(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        ids = [await engine.place(STOP, "50%") for _ in range(2)]
        await engine.leave_free(8 * UNIT)
        await engine.move_price(-500)
        amounts = {(await engine.wait_for_routing(each))["amountIn"] for each in ids}
        assert show(4 * UNIT) in amounts
        [other] = amounts - {show(4 * UNIT)}
        assert other == show(floor_div(4 * UNIT - FEE, 2))
        for each in ids:
            assert (await engine.engine.wait_for_end(each))[-1]["status"] == "confirmed"


async def test_an_order_of_which_nothing_is_free_is_held_with_the_reason_until_more_arrives(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(STOP, "all")
        await engine.leave_free(0)
        await engine.move_price(-500)
        order = await engine.wait_for_note(order_id, "nothing_free")
        assert order["lastError"].endswith("the wallet holds no SOL beyond fees and the reserve")
        assert (order["status"], order["attempts"], order["seq"]) == ("waiting", 1, 2)
        await engine.fund(3 * UNIT)
        events = await engine.engine.wait_for_end(order_id)
        assert list_statuses(events) == RELEASED
        assert events[2]["amountIn"] == show(3 * UNIT)
        assert (await engine.read(order_id))["lastError"] is None


async def test_a_share_that_came_back_is_found_anew_at_the_next_release(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        await engine.leave_free(9 * UNIT)
        body = {**SOL_ORDER, "type": "stopLimit", "triggerPrice": "101", "limitPrice": "98"}
        await engine.engine.arm_fault(fault="moved_price", bps=-900, count=1)
        order_id = await engine.place(body, "all", confirmations=1)
        events = await engine.engine.wait_for_end(order_id)
        assert list_statuses(events).count("waiting") >= 2
        amounts = [each["amountIn"] for each in events if "executablePrice" in each]
        assert len(amounts) >= 2
        assert amounts[0] == show(9 * UNIT)
        assert events[-1]["status"] == "confirmed"
        order = await engine.read(order_id)
        assert order["amountIn"] == amounts[-1]
        # The transaction that was reverted has cost its fee, which was not sold the second time.
        assert amounts[-1] == show(9 * UNIT - FEE)


async def test_a_stop_whose_share_is_gone_waits_for_funds_and_not_for_its_price_again(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_sales, "ESTIMATE_S", 0.1)
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(FAR_STOP, "all")
        await engine.leave_free(5 * UNIT)

        async def is_known() -> bool:
            return bool((await engine.read(order_id))["amountIn"] == show(5 * UNIT))

        await wait_until(is_known)  # else the chain is the one that refuses it
        [record] = await engine.engine.waiting.load([order_id])

        def resolve(in_flight: Sequence[InFlightOrder]) -> list[MetShare]:
            return [MetShare(order_id, record.seq, "{}", 6 * UNIT, None)]

        assert await engine.shares.release(resolve, earlier=[], slot=0) == {order_id}
        events = await engine.engine.wait_for_end(order_id)
        statuses = list_statuses(events)
        assert statuses[:4] == ["pending", "waiting", "routing", "waiting"]
        assert events[3]["code"] == "insufficient_funds"
        assert statuses[-1] == "confirmed"
        order = await engine.read(order_id)
        assert (order["amountIn"], order["isTriggered"]) == (show(5 * UNIT), True)


async def test_a_crash_between_the_release_and_the_job_keeps_the_amount(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(FAR_STOP, "all")
        [record] = await engine.engine.waiting.load([order_id])
        assert (record.terms.amount_in_bps, record.is_triggered) == (10_000, False)
        told: list[list[InFlightOrder]] = []

        def resolve(in_flight: Sequence[InFlightOrder]) -> list[MetShare]:
            told.append(list(in_flight))
            return [MetShare(order_id, record.seq, "{}", 2 * UNIT, None)]

        assert await engine.shares.release(resolve, earlier=[], slot=0) == {order_id}
        assert await engine.shares.release(resolve, earlier=[], slot=0) == set()  # at most once
        assert told[0] == []
        assert told[1] in ([], [InFlightOrder(order_id, "SOL", 2 * UNIT)])
        events = await engine.engine.wait_for_end(order_id)  # the sweep has found it
        assert list_statuses(events) == RELEASED
        assert (await engine.read(order_id))["amountIn"] == "2"


async def test_of_two_orders_of_a_group_one_sells_all_and_the_other_is_cancelled(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        profit = {**SOL_ORDER, "type": "takeProfit", "triggerPrice": "103", "confirmations": 1}
        pair = [{**each, "amount": "all", "ocoGroup": "exit"} for each in (profit, STOP)]
        answer = await engine.engine.api.post("/api/orders/batch", {"orders": pair})
        profit_id, stop_id = (each["orderId"] for each in answer["orders"])
        await engine.leave_free(6 * UNIT)
        await engine.move_price(-500)
        events = await engine.engine.wait_for_end(stop_id)
        assert (events[-1]["status"], events[2]["amountIn"]) == ("confirmed", "6")
        assert (await engine.engine.wait_for_end(profit_id))[-1]["status"] == "cancelled"
        assert await engine.client.read_balance(SOL) == RESERVE


async def test_while_the_balances_cannot_be_read_it_waits_and_then_sells(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    read_free = share_sales.ShareSales._sell

    async def fail_twice(self: share_sales.ShareSales, taken: Sequence[object]) -> None:
        nonlocal calls
        calls += 1
        funds = self._funds
        if calls <= 2:
            self._funds = _Unreadable()
        try:
            await read_free(self, taken)  # type: ignore[arg-type]
        finally:
            self._funds = funds

    monkeypatch.setattr(share_sales.ShareSales, "_sell", fail_twice)
    monkeypatch.setattr(share_sales, "RETRY_S", 0.1)
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(STOP, "all")
        await engine.leave_free(2 * UNIT)
        await engine.move_price(-500)
        events = await engine.engine.wait_for_end(order_id)
        assert list_statuses(events) == RELEASED
        assert calls >= 3


class _Unreadable:
    async def read_free(self, tokens: Iterable[Token] = ()) -> share_sales.FreeFunds:
        raise TimeoutError


async def test_an_expired_or_cancelled_order_sells_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(FAR_STOP, "all")
        [record] = await engine.engine.waiting.load([order_id])
        async with engine.engine.api.session.delete(f"/api/orders/{order_id}") as response:
            assert response.status == 200

        def resolve(in_flight: Sequence[InFlightOrder]) -> list[MetShare]:
            return [MetShare(order_id, record.seq, "{}", UNIT, None)]

        assert await engine.shares.release(resolve, earlier=[], slot=0) == set()

        async def is_over() -> bool:
            return bool((await engine.read(order_id))["status"] == "cancelled")

        await wait_until(is_over)


async def test_a_trailing_stop_sells_its_share_once_the_price_has_fallen(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        body = {**SOL_ORDER, "type": "trailingStop", "trailBps": 300, "confirmations": 1}
        order_id = await engine.place(body, "75%")

        async def follows() -> bool:
            return (await engine.read(order_id))["highestPrice"] is not None

        await wait_until(follows)
        await engine.leave_free(4 * UNIT)
        await engine.move_price(-800)
        events = await engine.engine.wait_for_end(order_id)
        assert (list_statuses(events), events[2]["amountIn"]) == (RELEASED, "3")
