"""Execution, from a stored order to the node's ledger: every way it can go, with real parts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from backend.domain.amounts import Price, parse_amount
from tests.scenario import WHOLE, scenario

RESEND = {"resend_s": 0.1}


async def test_a_market_order_is_executed_and_every_source_agrees(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        [order_id] = await engine.order(engine.terms("10"))
        life = await engine.life(order_id)
        assert life.statuses == WHOLE
        assert [event.seq for event in life.events] == [1, 2, 3, 4, 5]
        [building] = life.facts("building")
        assert {quote["dex"] for quote in building["quotes"]} == {"raydium", "meteora"}
        best = max(building["quotes"], key=lambda quote: Decimal(quote["amountOut"]))
        [submitted], [confirmed] = life.facts("submitted"), life.facts("confirmed")
        assert building["dex"] == confirmed["dex"] == life.record.dex == best["dex"]
        assert submitted["txHash"] == confirmed["txHash"] == life.record.tx_hash

        swap = (await engine.executed())[submitted["txHash"]]
        amount_out = parse_amount(confirmed["amountOut"], 6)
        assert (swap["amount_in"], swap["amount_out"]) == (str(10**10), str(amount_out))
        assert life.record.amount_out == amount_out
        assert confirmed["executedPrice"] == str(Price(10**10, 9, amount_out, 6))
        assert life.record.executed_price == Decimal(confirmed["executedPrice"])
        assert confirmed["slot"] == swap["slot"]


@pytest.mark.parametrize(
    ("pair", "amount"),
    [(("USDC", "SOL"), "250.5"), (("JUP", "BONK"), "12.25"), (("USDT", "USDC"), "1000")],
)
async def test_every_kind_of_pair_is_executed(
    database_url: str, redis_url: str, data_dir: Path, pair: tuple[str, str], amount: str
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        terms = engine.terms(amount, pair=pair)
        [order_id] = await engine.order(terms)
        life = await engine.life(order_id)
        assert life.statuses == WHOLE
        [swap] = (await engine.executed()).values()
        assert swap["amount_out"] == str(life.record.amount_out)


async def test_equal_orders_at_the_same_moment_are_different_transactions(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        twins = [engine.terms("5", pair=("USDC", "JUP"))] * 20
        lives = await engine.lives(await engine.order(*twins))
        assert {tuple(life.statuses) for life in lives} == {tuple(WHOLE)}
        assert set(await engine.executed()) == {life.record.tx_hash for life in lives}
        assert len({life.record.tx_hash for life in lives}) == 20


async def test_a_minimum_that_no_venue_meets_fails_at_once_and_sends_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        [order_id] = await engine.order(engine.terms("1", min_out="1000000"))
        life = await engine.life(order_id)
        assert life.statuses == ["pending", "routing", "failed"]
        [failed] = life.facts("failed")
        assert failed["code"] == "min_out_not_met"
        assert "below the minimum 1000000" in failed["reason"]
        assert life.record.last_error == f"min_out_not_met: {failed['reason']}"
        assert await engine.ledger() == []


async def test_a_price_that_moved_is_retried_and_after_three_attempts_the_order_fails(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        await engine.fault(fault="moved_price", bps=-300, count=3)
        [order_id] = await engine.order(engine.terms("1"))
        life = await engine.life(order_id)
        attempt = ["routing", "building", "submitted"]
        assert life.statuses == ["pending", *attempt * 3, "failed"]
        assert [event.attempt for event in life.events] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
        [failed] = life.facts("failed")
        assert failed["code"] == "slippage"
        assert life.record.last_error == f"slippage: {failed['reason']}"
        assert "attempt 3 of 3" in failed["reason"]
        assert await engine.executed() == {}
        assert len(await engine.ledger()) == 3


async def test_a_price_that_moved_once_is_met_by_a_new_attempt(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        await engine.fault(fault="moved_price", bps=-300, count=1)
        [order_id] = await engine.order(engine.terms("1"))
        life = await engine.life(order_id)
        assert life.statuses[-1] == "confirmed"
        assert life.record.attempts == 2
        first, second = life.facts("submitted")
        assert first["txHash"] != second["txHash"] == life.record.tx_hash
        assert set(await engine.executed()) == {second["txHash"]}
        retry = life.facts("routing")[1]
        assert (retry["code"], retry["txHash"]) == ("slippage", first["txHash"])


async def test_the_waits_between_attempts_are_half_a_second_and_a_second(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir, given={"backoff_jitter": 0.1}) as engine:
        await engine.fault(fault="down", venue="raydium")
        await engine.fault(fault="down", venue="meteora")
        [order_id] = await engine.order(engine.terms("1"))
        life = await engine.life(order_id)
        assert life.statuses == ["pending", "routing", "routing", "routing", "failed"]
        [_, first, second] = life.facts("routing")
        assert 450 <= first["waitMs"] <= 550
        assert 900 <= second["waitMs"] <= 1100
        times = [event.at for event in life.events[2:]]
        assert times[1] - times[0] >= timedelta(milliseconds=first["waitMs"])
        assert times[2] - times[1] >= timedelta(milliseconds=second["waitMs"])


@pytest.mark.parametrize(("down", "other"), [("raydium", "meteora"), ("meteora", "raydium")])
async def test_with_one_venue_down_orders_go_to_the_other_and_say_so(
    database_url: str, redis_url: str, data_dir: Path, down: str, other: str
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        await engine.fault(fault="down", venue=down)
        [order_id] = await engine.order(engine.terms("1"))
        life = await engine.life(order_id)
        assert life.statuses == WHOLE
        [building] = life.facts("building")
        assert building["dex"] == other
        assert [quote["dex"] for quote in building["quotes"]] == [other]
        assert building["unavailable"][0]["dex"] == down


async def test_with_both_venues_down_for_a_moment_the_order_is_retried_and_confirmed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        for venue in ("raydium", "meteora"):
            await engine.fault(fault="down", venue=venue)
        [order_id] = await engine.order(engine.terms("1"))
        await engine.reaches(order_id, lambda events: len(events) == 3)
        await engine.heal()
        life = await engine.life(order_id)
        assert life.statuses == ["pending", "routing", *WHOLE[1:]]


async def test_a_wallet_without_the_tokens_fails_the_order_for_good(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        await engine.fault(fault="fail", reason="funds", count=1)
        [order_id] = await engine.order(engine.terms("1"))
        life = await engine.life(order_id)
        assert life.statuses == [*WHOLE[:-1], "failed"]
        assert life.facts("failed")[0]["code"] == "insufficient_funds"
