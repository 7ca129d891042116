"""The node as a process: everything that a client has read survives a crash."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from backend.chain.rpc.client import RpcClient
from backend.chain.wire import Commitment
from backend.domain.tokens import SOL, USDC
from backend.venues import CPMM
from tests.conftest import ROOT
from tests.integration.simulator_client import SimulatorClient, mint_address


@asynccontextmanager
async def run_process(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run a node in a process of its own. Yields it and its URL; it is killed if it still runs."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "backend.simulator", "--profile", "instant", "--data-dir", str(data_dir)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        line = (await child.stdout.readline()).decode()
        assert line.startswith("ready http://127.0.0.1:")
        yield child, line.removeprefix("ready ").strip()
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


@asynccontextmanager
async def open_client(url: str) -> AsyncIterator[SimulatorClient]:
    async with RpcClient(url) as rpc, aiohttp.ClientSession(url) as http:
        yield SimulatorClient(rpc, http)


async def test_everything_a_killed_node_returned_is_still_true_after_a_restart(
    tmp_path: Path,
) -> None:
    async with run_process(tmp_path) as (child, url), open_client(url) as node:
        transactions = [await node.build_swap() for _ in range(3)]
        for each in transactions[:2]:
            await node.send_and_wait(each)
        await node.call_control("advance", {"blocks": 20})
        sol, usdc = await node.read_balance(SOL), await node.read_balance(USDC)
        recent = await node.rpc.get_latest_blockhash(Commitment.PROCESSED)
        entries = await node.list_entries()
        landed_before = await node.rpc.get_transactions(
            [each.signature for each in transactions[:2]]
        )
        child.kill()
        await child.wait()

    async with run_process(tmp_path) as (_, url), open_client(url) as node:
        assert await node.list_entries() == entries
        assert (
            await node.rpc.get_transactions([each.signature for each in transactions[:2]])
            == landed_before
        )
        assert {e["signature"] for e in entries} == {each.signature for each in transactions[:2]}
        assert [await node.read_balance(SOL), await node.read_balance(USDC)] == [sol, usdc]
        again = await node.rpc.get_latest_blockhash(Commitment.PROCESSED)
        assert again.slot >= recent.slot
        assert again.last_valid_height >= recent.last_valid_height
        valid = await node.call_rpc("isBlockhashValid", str(recent.hash))
        assert valid["result"]["value"] is True
        statuses = await node.rpc.get_signature_statuses([each.signature for each in transactions])
        assert [status is not None for status in statuses.entries] == [True, True, False]

        # The same bytes again: landed transactions do not land twice, the third one can still land.
        for each in transactions:
            await node.send(each)
        await node.wait_until_landed(transactions[2].signature)
        names = [entry["signature"] for entry in await node.list_entries()]
        assert sorted(names) == sorted(each.signature for each in transactions)


async def test_a_node_stops_on_sigterm(tmp_path: Path) -> None:
    async with run_process(tmp_path) as (child, url):
        async with open_client(url) as node:
            await node.rpc.get_genesis_hash()
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await child.wait() == 0


async def test_a_killed_node_has_the_same_pools_again(tmp_path: Path) -> None:
    async with run_process(tmp_path) as (child, url), open_client(url) as node:
        await node.call_control("price", {"pair": ["SOL", "USDC"], "bps": 5_000})
        before = (await node.read_pool(CPMM)).quote(mint_address(SOL), 10**9).amount_out
        child.kill()
        await child.wait()

    async with run_process(tmp_path) as (_, url), open_client(url) as node:
        after = (await node.read_pool(CPMM)).quote(mint_address(SOL), 10**9).amount_out

    assert abs(after - before) < before // 20
    assert after > 140_000_000
