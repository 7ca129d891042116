"""Time, forks, prices and gifts by order, and the ledger that tells what really happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.chain.outcomes import onchain_error
from backend.chain.wire import Commitment
from backend.config import Profile
from backend.domain.tokens import JUP, SOL, USDC, USDT
from backend.simulator.options import SimulatedOptions
from backend.venues import CPMM, DAMM_V2
from tests.integration.market import STILL, Market, market, mint


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path) as running:
        yield running


async def test_a_forgotten_block_gives_everything_back(tmp_path: Path) -> None:
    async with market(tmp_path, STILL, confirmed_slots=2) as node:
        before = await node.held(SOL)
        kept = await node.signed()
        await node.landed_soon(kept)
        await node.control("advance", {"blocks": 2})
        signed = await node.signed()
        await node.landed_soon(signed)
        after_kept = before - 10**9 - 5_120
        height = (await node.control("state"))["height"]

        forgotten = await node.control("fork", {"blocks": 1})

        assert forgotten["forgotten"] == 1
        assert forgotten["height"] == height - 1
        assert await node.status(signed.signature) is None
        assert await node.status(kept.signature) is not None
        assert await node.held(SOL) == after_kept
        assert [e["signature"] for e in await node.entries()] == [kept.signature]
        await node.send(signed)
        assert (await node.settled(signed.signature)).err is None


async def test_what_was_forgotten_can_land_again(tmp_path: Path) -> None:
    async with market(tmp_path, STILL, confirmed_slots=2) as node:
        signed = await node.signed()
        await node.control("advance", {"blocks": 2})
        await node.landed_soon(signed)
        first = await node.settled(signed.signature)

        await node.control("fork", {"blocks": 1, "reland": True})
        assert await node.status(signed.signature) is None
        await node.control("advance", {"blocks": 1})

        assert (await node.settled(signed.signature)).slot > first.slot


async def test_a_blockhash_of_a_forgotten_block_is_no_good(tmp_path: Path) -> None:
    async with market(tmp_path, STILL, confirmed_slots=2) as node:
        await node.control("advance", {"blocks": 1})
        recent = await node.rpc.get_latest_blockhash(Commitment.PROCESSED)
        await node.control("fork", {"blocks": 1})

        answer = await node.call("isBlockhashValid", str(recent.hash), {"commitment": "processed"})

        assert answer["result"]["value"] is False


async def test_a_halted_chain_stands_still_and_goes_on(tmp_path: Path) -> None:
    async with market(tmp_path, STILL, slot_s=0.01) as node:
        signed = await node.signed()
        halted = await node.control("halt", {})
        await node.send(signed)
        assert await node.status(signed.signature) is None
        assert (await node.control("state"))["slot"] == halted["slot"]
        assert halted["isHalted"]

        resumed = await node.control("resume", {})

        assert resumed["slot"] - halted["slot"] < 50
        assert (await node.settled(signed.signature)).err is None


async def test_a_moved_price_is_met_by_the_next_swap_only(node: Market) -> None:
    quote = (await node.pool()).quote(mint(SOL), 10**9)
    least = quote.amount_out * 99 // 100
    move = {"pair": ["SOL", "USDC"], "bps": -300, "when": "before_swaps"}
    await node.control("price", {**move, "venue": "raydium"})

    other = await node.landed(await node.signed(venue=DAMM_V2, min_out=1))
    failed = await node.landed(await node.signed(min_out=least))
    retried = await node.filled(await node.signed(min_out=least), USDC)

    assert other.err is None
    assert onchain_error(failed.err, failed.logs).code == "slippage"
    assert retried.amount_out == quote.amount_out


@pytest.mark.parametrize(("pair", "bps"), [(["SOL", "USDC"], 1_000), (["USDC", "SOL"], -909)])
async def test_a_price_can_be_moved_for_good(tmp_path: Path, pair: list[str], bps: int) -> None:
    async with market(tmp_path) as node:
        before = [
            (await node.pool(CPMM, *tokens)).quote(mint(tokens[0]), 10**9).amount_out
            for tokens in ((SOL, USDC), (SOL, USDT))
        ]
        moved = await node.control("price", {"pair": pair, "bps": bps})
        assert moved == {"pools": 2}

    async with market(tmp_path) as node:
        usdc = (await node.pool(CPMM)).quote(mint(SOL), 10**9).amount_out
        usdt = (await node.pool(CPMM, SOL, USDT)).quote(mint(SOL), 10**9).amount_out
        assert usdc == pytest.approx(before[0] * 1.1, rel=1e-4)
        assert usdt == before[1]


async def test_prices_wander_with_time_and_apart(tmp_path: Path) -> None:
    options = SimulatedOptions(profile=Profile.INSTANT, slot_s=10)
    async with market(tmp_path, options) as node:
        seen = set()
        for _ in range(5):
            for venue in (CPMM, DAMM_V2):
                seen.add((await node.pool(venue)).quote(mint(SOL), 10**9).amount_out)
            await node.control("advance", {"blocks": 6})

    assert len(seen) == 10
    assert all(96_000_000 < amount < 103_000_000 for amount in seen)


async def test_an_owner_can_be_given_tokens(node: Market) -> None:
    trader = await node.trader(10**9, JUP=7)
    await node.fund(trader, "JUP", 5)

    assert await node.held(JUP, trader) == 12
    assert await node.held(SOL, trader) == 10**9


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("faults", {"fault": "earthquake"}, "does not match any of the expected tags"),
        ("faults", {"fault": "drop", "count": 0}, "drop.count"),
        ("faults", {"fault": "drop", "color": "red"}, "drop.color"),
        ("faults", {"fault": "down", "venue": "orca"}, "down.venue"),
        ("price", {"pair": ["SOL", "DOGE"], "bps": 1}, "unknown token"),
        ("price", {"pair": ["SOL", "USDC"], "bps": -9_001}, "bps"),
        ("fund", {"owner": "me", "token": "USDC", "amount": 1}, "owner"),
        ("fund", {"owner": USDC.mint, "token": "USDC", "amount": 2**63}, "amount"),
        ("fund", {"owner": USDC.mint, "token": "SOL", "amount": 1}, "the chain itself"),
        ("advance", {"blocks": 0}, "blocks"),
        ("fork", {"blocks": 1}, "not confirmed yet"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_with_a_reason(
    node: Market, path: str, body: dict[str, Any], words: str
) -> None:
    async with node.http.post(f"/control/{path}", json=body) as response:
        answer = await response.json()

    assert response.status == 400
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "nothing"), ("DELETE", "faults/99"), ("GET", "ledger/none"), ("POST", "state")],
)
async def test_what_is_not_there_is_404(node: Market, method: str, path: str) -> None:
    async with node.http.request(method, f"/control/{path}") as response:
        assert response.status == 404
        assert (await response.json())["error"]


async def test_the_ledger_tells_what_really_happened(node: Market) -> None:
    good, bad = await node.signed(), await node.signed(min_out=10**15)
    received = (await node.filled(good, USDC)).amount_out
    await node.landed(bad)

    page = await node.control("ledger?after=0&limit=1")
    rest = await node.control(f"ledger?after={page['next']}")
    totals = await node.control("totals")

    [first], [second] = page["transactions"], rest["transactions"]
    assert first == await node.control(f"ledger/{good.signature}")
    assert first["owner"] == str(node.wallet.address)
    assert first["pool"] == str(CPMM.pool_address(mint(SOL), mint(USDC)))
    assert (first["mint_in"], first["mint_out"]) == (SOL.mint, USDC.mint)
    assert (first["amount_in"], first["amount_out"]) == (str(10**9), str(received))
    assert first["err"] is None
    assert (second["signature"], second["amount_out"]) == (bad.signature, "0")
    assert second["err"]["InstructionError"][1] == {"Custom": 6005}
    assert totals == {
        "transactions": 2,
        "failed": 1,
        "swaps": 1,
        "tokens": {SOL.mint: {"in": 10**9, "out": 0}, USDC.mint: {"in": 0, "out": received}},
    }


async def test_in_a_demo_a_transaction_takes_two_or_three_seconds(tmp_path: Path) -> None:
    async with market(tmp_path, SimulatedOptions(profile=Profile.DEMO)) as node:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await node.rpc.get_balance(node.wallet.address)
        assert loop.time() - started >= 0.2
        signed = await node.signed()
        sent = loop.time()
        await node.send(signed)
        while (await node.settled(signed.signature)).commitment is Commitment.PROCESSED:
            await asyncio.sleep(0.01)
        assert 1.9 < loop.time() - sent < 15
