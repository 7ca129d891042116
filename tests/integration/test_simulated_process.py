"""The node as a process: what it told anybody survives its death."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from backend.chain.rpc_client import Rpc
from backend.chain.wire import Commitment
from backend.domain.tokens import SOL, USDC
from backend.venues import CPMM
from tests.conftest import ROOT
from tests.integration.market import Market, mint


@asynccontextmanager
async def process(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A node in a process of its own, and its URL; it is killed at the end if it still runs."""
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
async def client(url: str) -> AsyncIterator[Market]:
    async with Rpc(url) as rpc, aiohttp.ClientSession(url) as http:
        yield Market(rpc, http)


async def test_what_a_killed_node_said_is_still_true_afterwards(tmp_path: Path) -> None:
    async with process(tmp_path) as (child, url), client(url) as node:
        signed = [await node.signed() for _ in range(3)]
        for each in signed[:2]:
            await node.landed_soon(each)
        await node.control("advance", {"blocks": 20})
        sol, usdc = await node.held(SOL), await node.held(USDC)
        recent = await node.rpc.get_latest_blockhash(Commitment.PROCESSED)
        entries = await node.entries()
        told = await node.rpc.get_transactions([each.signature for each in signed[:2]])
        child.kill()
        await child.wait()

    async with process(tmp_path) as (_, url), client(url) as node:
        assert await node.entries() == entries
        assert await node.rpc.get_transactions([each.signature for each in signed[:2]]) == told
        assert {e["signature"] for e in entries} == {each.signature for each in signed[:2]}
        assert [await node.held(SOL), await node.held(USDC)] == [sol, usdc]
        again = await node.rpc.get_latest_blockhash(Commitment.PROCESSED)
        assert again.slot >= recent.slot
        assert again.last_valid_height >= recent.last_valid_height
        valid = await node.call("isBlockhashValid", str(recent.hash))
        assert valid["result"]["value"] is True
        statuses = await node.rpc.get_signature_statuses([each.signature for each in signed])
        assert [status is not None for status in statuses.found] == [True, True, False]

        for each in signed:  # the same bytes: what landed does not land again, the rest may
            await node.send(each)
        await node.settled(signed[2].signature)
        names = [entry["signature"] for entry in await node.entries()]
        assert sorted(names) == sorted(each.signature for each in signed)


async def test_a_node_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    async with process(tmp_path) as (child, url):
        async with client(url) as node:
            await node.rpc.get_genesis_hash()
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await child.wait() == 0


async def test_a_killed_node_has_the_same_pools_again(tmp_path: Path) -> None:
    async with process(tmp_path) as (child, url), client(url) as node:
        await node.control("price", {"pair": ["SOL", "USDC"], "bps": 5_000})
        before = (await node.pool(CPMM)).quote(mint(SOL), 10**9).amount_out
        child.kill()
        await child.wait()

    async with process(tmp_path) as (_, url), client(url) as node:
        after = (await node.pool(CPMM)).quote(mint(SOL), 10**9).amount_out

    assert abs(after - before) < before // 20
    assert after > 140_000_000
