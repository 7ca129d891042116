"""The control interface: time, forks, prices and funding, and the ledger of executed swaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.chain.outcomes import classify_onchain_error
from backend.chain.wire import Commitment
from backend.config import Profile
from backend.domain.tokens import JUP, SOL, USDC, USDT
from backend.simulator.options import SimulatorOptions
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from tests.integration.simulator_client import (
    STATIC_PRICES,
    SimulatorClient,
    mint_address,
    open_simulator,
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatorClient]:
    async with open_simulator(tmp_path) as client:
        yield client


async def test_a_rolled_back_block_restores_every_account(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, STATIC_PRICES, confirmed_slots=2) as node:
        before = await node.read_balance(SOL)
        confirmed_swap = await node.build_swap()
        await node.send_and_wait(confirmed_swap)
        await node.call_control("advance", {"blocks": 2})
        transaction = await node.build_swap()
        await node.send_and_wait(transaction)
        balance_after = before - 10**9 - 5_120
        height = (await node.call_control("state"))["height"]

        rollback = await node.call_control("fork", {"blocks": 1})

        assert rollback["forgotten"] == 1
        assert rollback["height"] == height - 1
        assert await node.read_status(transaction.signature) is None
        assert await node.read_status(confirmed_swap.signature) is not None
        assert await node.read_balance(SOL) == balance_after
        assert [e["signature"] for e in await node.list_entries()] == [confirmed_swap.signature]
        await node.send(transaction)
        assert (await node.wait_until_landed(transaction.signature)).err is None


async def test_a_rolled_back_transaction_can_land_again(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, STATIC_PRICES, confirmed_slots=2) as node:
        transaction = await node.build_swap()
        await node.call_control("advance", {"blocks": 2})
        await node.send_and_wait(transaction)
        first = await node.wait_until_landed(transaction.signature)

        await node.call_control("fork", {"blocks": 1, "reland": True})
        assert await node.read_status(transaction.signature) is None
        await node.call_control("advance", {"blocks": 1})

        assert (await node.wait_until_landed(transaction.signature)).slot > first.slot


async def test_a_blockhash_of_a_rolled_back_block_is_invalid(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, STATIC_PRICES, confirmed_slots=2) as node:
        await node.call_control("advance", {"blocks": 1})
        recent = await node.rpc.get_latest_blockhash(Commitment.PROCESSED)
        await node.call_control("fork", {"blocks": 1})

        content = await node.call_rpc(
            "isBlockhashValid", str(recent.hash), {"commitment": "processed"}
        )

        assert content["result"]["value"] is False


async def test_a_halted_chain_stops_and_continues(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, STATIC_PRICES, slot_s=0.01) as node:
        transaction = await node.build_swap()
        halt_state = await node.call_control("halt", {})
        await node.send(transaction)
        assert await node.read_status(transaction.signature) is None
        assert (await node.call_control("state"))["slot"] == halt_state["slot"]
        assert halt_state["isHalted"]

        resume_state = await node.call_control("resume", {})

        assert resume_state["slot"] - halt_state["slot"] < 50
        assert (await node.wait_until_landed(transaction.signature)).err is None


async def test_a_moved_price_affects_the_next_swap_only(node: SimulatorClient) -> None:
    quote = (await node.read_pool()).quote(mint_address(SOL), 10**9)
    amount_min = quote.amount_out * 99 // 100
    move = {"pair": ["SOL", "USDC"], "bps": -300, "when": "before_swaps"}
    await node.call_control("price", {**move, "venue": "raydium"})

    other_swap = await node.land(await node.build_swap(venue=DAMM_V2, min_out=1))
    failed_swap = await node.land(await node.build_swap(min_out=amount_min))
    next_fill = await node.land_swap(await node.build_swap(min_out=amount_min), USDC)

    assert other_swap.err is None
    assert (
        classify_onchain_error(failed_swap.err, failed_swap.logs, MAINNET_VENUES.all).code
        == "slippage"
    )
    assert next_fill.amount_out == quote.amount_out


@pytest.mark.parametrize(("pair", "bps"), [(["SOL", "USDC"], 1_000), (["USDC", "SOL"], -909)])
async def test_a_price_can_be_moved_permanently(tmp_path: Path, pair: list[str], bps: int) -> None:
    async with open_simulator(tmp_path) as node:
        before = [
            (await node.read_pool(CPMM, *tokens)).quote(mint_address(tokens[0]), 10**9).amount_out
            for tokens in ((SOL, USDC), (SOL, USDT))
        ]
        result = await node.call_control("price", {"pair": pair, "bps": bps})
        assert result == {"pools": 2}

    async with open_simulator(tmp_path) as node:
        usdc = (await node.read_pool(CPMM)).quote(mint_address(SOL), 10**9).amount_out
        usdt = (await node.read_pool(CPMM, SOL, USDT)).quote(mint_address(SOL), 10**9).amount_out
        assert usdc == pytest.approx(before[0] * 1.1, rel=1e-4)
        assert usdt == before[1]


async def test_prices_change_over_time_and_differ_between_venues(tmp_path: Path) -> None:
    options = SimulatorOptions(profile=Profile.INSTANT, slot_s=10)
    async with open_simulator(tmp_path, options) as node:
        amounts = set()
        for _ in range(5):
            for venue in (CPMM, DAMM_V2):
                amounts.add(
                    (await node.read_pool(venue)).quote(mint_address(SOL), 10**9).amount_out
                )
            await node.call_control("advance", {"blocks": 6})

    assert len(amounts) == 10
    assert all(96_000_000 < amount < 103_000_000 for amount in amounts)


async def test_an_owner_can_be_funded(node: SimulatorClient) -> None:
    trader = await node.create_wallet(10**9, JUP=7)
    await node.fund_wallet(trader, "JUP", 5)

    assert await node.read_balance(JUP, trader) == 12
    assert await node.read_balance(SOL, trader) == 10**9


@pytest.mark.parametrize(
    ("path", "body", "message"),
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
        ("advance", {"blocks": 1, "prices": [{"pair": ["SOL", "DOGE"], "bps": 1}]}, "DOGE"),
        ("fork", {"blocks": 1}, "not confirmed yet"),
    ],
)
async def test_an_invalid_control_request_is_refused_with_a_reason(
    node: SimulatorClient, path: str, body: dict[str, Any], message: str
) -> None:
    async with node.http.post(f"/control/{path}", json=body) as response:
        content = await response.json()

    assert response.status == 400
    assert message in content["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "nothing"), ("DELETE", "faults/99"), ("GET", "ledger/none"), ("POST", "state")],
)
async def test_an_unknown_path_or_resource_is_404(
    node: SimulatorClient, method: str, path: str
) -> None:
    async with node.http.request(method, f"/control/{path}") as response:
        assert response.status == 404
        assert (await response.json())["error"]


async def test_the_ledger_lists_every_executed_transaction(node: SimulatorClient) -> None:
    successful_swap, failing_swap = await node.build_swap(), await node.build_swap(min_out=10**15)
    amount_received = (await node.land_swap(successful_swap, USDC)).amount_out
    await node.land(failing_swap)

    page = await node.call_control("ledger?after=0&limit=1")
    rest = await node.call_control(f"ledger?after={page['next']}")
    totals = await node.call_control("totals")

    [first], [second] = page["transactions"], rest["transactions"]
    assert first == await node.call_control(f"ledger/{successful_swap.signature}")
    assert first["owner"] == str(node.wallet.address)
    assert first["pool"] == str(CPMM.derive_pool_address(mint_address(SOL), mint_address(USDC)))
    assert (first["mint_in"], first["mint_out"]) == (SOL.mint, USDC.mint)
    assert (first["amount_in"], first["amount_out"]) == (str(10**9), str(amount_received))
    assert first["err"] is None
    assert (second["signature"], second["amount_out"]) == (failing_swap.signature, "0")
    assert second["err"]["InstructionError"][1] == {"Custom": 6005}
    assert totals == {
        "transactions": 2,
        "failed": 1,
        "swaps": 1,
        "tokens": {SOL.mint: {"in": 10**9, "out": 0}, USDC.mint: {"in": 0, "out": amount_received}},
    }


async def test_in_the_demo_profile_a_transaction_takes_two_or_three_seconds(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, SimulatorOptions(profile=Profile.DEMO)) as node:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await node.rpc.get_balance(node.wallet.address)
        assert loop.time() - started >= 0.2
        transaction = await node.build_swap()
        sent = loop.time()
        await node.send(transaction)
        while (
            await node.wait_until_landed(transaction.signature)
        ).commitment is Commitment.PROCESSED:
            await asyncio.sleep(0.01)
        assert 1.9 < loop.time() - sent < 15


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://rebound.example", "Host": "rebound.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin", "Host": "rebound.example:8899"},
    ],
    ids=str,
)
async def test_a_page_of_another_site_controls_nothing(
    node: SimulatorClient, headers: dict[str, str]
) -> None:
    for method, path, body in (
        ("POST", "fund", {"owner": str(node.wallet.address), "token": "USDC", "amount": 1}),
        ("POST", "halt", None),
        ("GET", "state", None),
    ):
        async with node.http.request(
            method, f"/control/{path}", json=body, headers=headers
        ) as response:
            assert response.status == 403
            assert (await response.json())["error"] == (
                "pages of other sites may not control this node"
            )
    assert (await node.call_control("state"))["isHalted"] is False


async def test_its_own_address_and_programs_control_the_node(node: SimulatorClient) -> None:
    own = {"Host": "127.0.0.1:8899", "Origin": "http://127.0.0.1:8899"}
    for headers in ({}, own, {"Sec-Fetch-Site": "none"}):
        async with node.http.get("/control/state", headers=headers) as response:
            assert response.status == 200


async def test_only_its_owner_may_read_the_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "chain"
    async with open_simulator(folder.parent):
        assert folder.stat().st_mode & 0o077 == folder.parent.stat().st_mode & 0o077 == 0
        files = list(folder.iterdir())
        assert files
        assert {file.name: file.stat().st_mode & 0o777 for file in files} == {
            file.name: 0o600 for file in files
        }
    for file in folder.iterdir():
        file.chmod(0o644)
    async with open_simulator(folder.parent):
        assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
