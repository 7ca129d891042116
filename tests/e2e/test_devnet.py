"""The steps of the page *Try it without money*, with its commands and settings only."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import stat
from asyncio.subprocess import PIPE
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
from solders.pubkey import Pubkey

from backend.chain.wire import SIMULATED_GENESIS_HASH
from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment, run_server, run_up
from tests.integration.node_proxy import run_node_proxy

PAGE: Final = Path(__file__).parents[2] / "backend" / "LIVE.md"
PROGRAM: Final = ".venv/bin/order-engine"
ORDERS: Final = int(os.environ.get("ORDERS", "20"))
SOL_EACH: Final = Decimal("0.01")
INSTANT: Final = ("--profile", "instant")
OWN_GENESIS: Final = str(Pubkey(bytes([9] * 32)))

Json = dict[str, Any]


class Walk:
    """The commands of a section's first block, one after the other, at another node's address."""

    def __init__(self, heading: str, folder: Path, url: str) -> None:
        text = PAGE.read_text(encoding="utf-8").split(f"### {heading}\n")[1]
        match = re.search(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert match is not None
        self._lines = [shlex.split(line) for line in match[1].splitlines()]
        self._folder = folder
        self._url = url
        self.settings: dict[str, str] = {}
        self.outputs: dict[str, str] = {}

    async def run(self) -> None:
        """Run all commands up to the start of the engine, which is the last one."""
        for words in self._lines:
            if words[0] == "export":
                name, _, value = words[1].partition("=")
                self.settings[name] = self._url if name == "SOLANA_RPC_URL" else self._place(value)
                continue
            program, *arguments = words
            assert program == PROGRAM
            if arguments[0] == "up":
                return
            output = await self.call(*map(self._place, arguments))
            self.outputs[" ".join(arguments[:2])] = output

    def _place(self, word: str) -> str:
        return str(self._folder / word) if word.endswith(".json") else word

    async def call(self, *arguments: str) -> str:
        """The output of a command that succeeds."""
        process = await asyncio.create_subprocess_exec(
            *build_command(*arguments), env=build_environment(**self.settings), stdout=PIPE
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            output, _ = await process.communicate()
        assert process.returncode == 0, output
        return output.decode()


def read_row(output: str, name: str) -> str:
    [line] = [line for line in output.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).strip()


def read_balances(output: str) -> dict[str, Decimal]:
    """What ``wallet show`` says that a wallet holds, by token."""
    pairs = [line.split() for line in output.splitlines() if line.startswith("  ")]
    return {token: Decimal(amount) for amount, token in pairs}


async def execute_orders(data_dir: Path, walk: Walk, count: int) -> list[Json]:
    """Start the engine, sell SOL with so many orders, and stop it once all have ended."""
    key = {"X-API-Key": walk.settings["ORDER_ENGINE_API_KEYS"].partition(":")[2]}
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": str(SOL_EACH)}
    async with run_up(data_dir, "--headless", **walk.settings) as up:
        body = {"orders": [order] * count}
        async with up.http.post("/api/orders/batch", json=body, headers=key) as response:
            assert response.status == 202, await response.text()
        orders = await _await_end(up.http, key)
        async with up.http.get("/readyz") as response:
            assert (await response.json())["checks"]["programs"] == {"ok": True}
        assert await up.stop() == 0
    assert [each["status"] for each in orders] == ["confirmed"] * count, orders
    return orders


async def _await_end(http: aiohttp.ClientSession, key: dict[str, str]) -> list[Json]:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            query = {"limit": "1000"}
            async with http.get("/api/orders", params=query, headers=key) as response:
                orders: list[Json] = (await response.json())["orders"]
            if all(each["status"] in {"confirmed", "failed"} for each in orders):
                return orders
            await asyncio.sleep(0.1)


async def test_orders_on_devnet_with_settings_only(data_dir: Path, tmp_path: Path) -> None:
    async with run_server("chain", tmp_path / "chain", *INSTANT, "--dress", "devnet") as (_, url):
        walk = Walk("1. Devnet", tmp_path, url)
        await walk.run()
        address = read_row(walk.outputs["wallet new"], "address")
        assert stat.S_IMODE((tmp_path / "devnet.json").stat().st_mode) == 0o600
        assert read_row(walk.outputs["wallet airdrop"], "balance") == "2 SOL"
        assert read_row(walk.outputs["wallet show"], "wallet") == address
        assert read_row(walk.outputs["wallet show"], "cluster") == "devnet"
        program = read_row(walk.outputs["doctor"], "program raydium/cpmm")
        assert program == "DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb"
        # Two hundred orders would sell all of it.
        await walk.call("wallet", "airdrop", "--sol", "5")
        before = read_balances(await walk.call("wallet", "show"))
        orders = await execute_orders(data_dir, walk, ORDERS)
        held = read_balances(await walk.call("wallet", "show"))

    assert before == {"SOL": Decimal(7)}
    assert held["USDC"] == sum(Decimal(each["amountOut"]) for each in orders)
    spent = before["SOL"] - held["SOL"] - ORDERS * SOL_EACH
    assert Decimal(0) < spent < Decimal("0.01"), "fees, and the rent of one account"


async def test_a_local_validator_with_settings_only(data_dir: Path, tmp_path: Path) -> None:
    async with (
        run_server("chain", tmp_path / "chain", *INSTANT) as (_, upstream),
        run_node_proxy(upstream) as proxy,
    ):
        proxy.rule = lambda call, answer: (
            {"result": OWN_GENESIS} if answer.get("result") == SIMULATED_GENESIS_HASH else None
        )
        walk = Walk("2. A local validator that clones mainnet", tmp_path, proxy.url)
        await walk.run()
        assert read_row(walk.outputs["doctor"], "cluster") == "localnet"
        orders = await execute_orders(data_dir, walk, 2)
        held = read_balances(await walk.call("wallet", "show"))
    assert held["USDC"] == sum(Decimal(each["amountOut"]) for each in orders)
