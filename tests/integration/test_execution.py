"""Execution, from a stored order to the node's ledger: every outcome, with real components."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from backend.domain.amounts import Price, parse_amount
from tests.scenario import HAPPY_PATH, open_engine

RESEND = {"resend_s": 0.1}


async def test_a_market_order_is_executed_and_every_source_agrees(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        [order_id] = await engine.place_orders(engine.build_terms("10"))
        history = await engine.wait_ended(order_id)
        assert history.statuses == HAPPY_PATH
        assert [event.seq for event in history.events] == [1, 2, 3, 4, 5]
        [building] = history.event_data("building")
        assert {quote["dex"] for quote in building["quotes"]} == {"raydium", "meteora"}
        best = max(building["quotes"], key=lambda quote: Decimal(quote["amountOut"]))
        [submitted], [confirmed] = (
            history.event_data("submitted"),
            history.event_data("confirmed"),
        )
        assert building["dex"] == confirmed["dex"] == history.record.dex == best["dex"]
        assert submitted["txHash"] == confirmed["txHash"] == history.record.tx_hash

        swap = (await engine.read_swaps())[submitted["txHash"]]
        amount_out = parse_amount(confirmed["amountOut"], 6)
        assert (swap["amount_in"], swap["amount_out"]) == (str(10**10), str(amount_out))
        assert history.record.amount_out == amount_out
        assert confirmed["executedPrice"] == str(Price(10**10, 9, amount_out, 6))
        assert history.record.executed_price == Decimal(confirmed["executedPrice"])
        assert confirmed["slot"] == swap["slot"]


@pytest.mark.parametrize(
    ("pair", "amount"),
    [(("USDC", "SOL"), "250.5"), (("JUP", "BONK"), "12.25"), (("USDT", "USDC"), "1000")],
)
async def test_every_kind_of_pair_is_executed(
    database_url: str, redis_url: str, data_dir: Path, pair: tuple[str, str], amount: str
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        terms = engine.build_terms(amount, pair=pair)
        [order_id] = await engine.place_orders(terms)
        history = await engine.wait_ended(order_id)
        assert history.statuses == HAPPY_PATH
        [swap] = (await engine.read_swaps()).values()
        assert swap["amount_out"] == str(history.record.amount_out)


async def test_equal_orders_at_the_same_time_are_different_transactions(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        twins = [engine.build_terms("5", pair=("USDC", "JUP"))] * 20
        histories = await engine.wait_all_ended(await engine.place_orders(*twins))
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}
        assert len({history.record.tx_hash for history in histories}) == 20


async def test_a_minimum_that_no_venue_meets_fails_at_once_and_sends_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        [order_id] = await engine.place_orders(engine.build_terms("1", min_out="1000000"))
        history = await engine.wait_ended(order_id)
        assert history.statuses == ["pending", "routing", "failed"]
        [failed] = history.event_data("failed")
        assert failed["code"] == "min_out_not_met"
        assert "below the minimum 1000000" in failed["reason"]
        assert history.record.last_error == f"min_out_not_met: {failed['reason']}"
        assert await engine.read_ledger() == []


async def test_a_price_that_moved_is_retried_and_after_three_attempts_the_order_fails(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="moved_price", bps=-300, count=3)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        attempt = ["routing", "building", "submitted"]
        assert history.statuses == ["pending", *attempt * 3, "failed"]
        assert [event.attempt for event in history.events] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
        [failed] = history.event_data("failed")
        assert failed["code"] == "slippage"
        assert history.record.last_error == f"slippage: {failed['reason']}"
        assert "attempt 3 of 3" in failed["reason"]
        assert await engine.read_swaps() == {}
        assert len(await engine.read_ledger()) == 3


async def test_a_price_that_moved_once_is_met_by_a_new_attempt(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="moved_price", bps=-300, count=1)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        assert history.statuses[-1] == "confirmed"
        assert history.record.attempts == 2
        first, second = history.event_data("submitted")
        assert first["txHash"] != second["txHash"] == history.record.tx_hash
        assert set(await engine.read_swaps()) == {second["txHash"]}
        retry = history.event_data("routing")[1]
        assert (retry["code"], retry["txHash"]) == ("slippage", first["txHash"])


async def test_the_backoffs_between_attempts_are_half_a_second_and_a_second(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(
        database_url, redis_url, data_dir, settings={"backoff_jitter": 0.1}
    ) as engine:
        await engine.inject_fault(fault="moved_price", bps=-300, count=3)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        [_, first, second] = history.event_data("routing")
        assert 450 <= first["waitMs"] <= 550
        assert 900 <= second["waitMs"] <= 1100
        retries = [event for event in history.events if event.status == "routing"][1:]
        for retry, data in zip(retries, (first, second), strict=True):
            following = next(event for event in history.events if event.seq == retry.seq + 1)
            assert following.at - retry.at >= timedelta(milliseconds=data["waitMs"])


@pytest.mark.parametrize(("down", "other"), [("raydium", "meteora"), ("meteora", "raydium")])
async def test_with_one_venue_down_orders_go_to_the_other_and_report_it(
    database_url: str, redis_url: str, data_dir: Path, down: str, other: str
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="down", venue=down)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        assert history.statuses == HAPPY_PATH
        [building] = history.event_data("building")
        assert building["dex"] == other
        assert [quote["dex"] for quote in building["quotes"]] == [other]
        assert building["unavailable"][0]["dex"] == down


async def test_with_both_venues_down_for_a_short_time_the_order_waits_and_is_confirmed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        for venue in ("raydium", "meteora"):
            await engine.inject_fault(fault="down", venue=venue)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        await engine.wait_until(order_id, lambda events: len(events) == 2)
        await engine.remove_faults()
        assert (await engine.wait_ended(order_id)).statuses == HAPPY_PATH


async def test_a_wallet_without_the_tokens_fails_the_order_for_good(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="fail", reason="funds", count=1)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        assert history.statuses == [*HAPPY_PATH[:-1], "failed"]
        assert history.event_data("failed")[0]["code"] == "insufficient_funds"
