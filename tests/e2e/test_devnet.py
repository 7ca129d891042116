"""A person tries the engine on devnet, with commands and settings only."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment, run_up

ORDERS = int(os.environ.get("ORDERS", "20"))
SOL_EACH = Decimal("0.01")


@asynccontextmanager
async def run_devnet(data_dir: Path, *arguments: str) -> AsyncIterator[str]:
    """The simulated node as devnet; yields its URL."""
    process = await asyncio.create_subprocess_exec(
        *build_command("chain", "--port", "0", "--data-dir", str(data_dir), *arguments),
        "--profile=instant",
        "--dress=devnet",
        env=build_environment(),
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready http://"), line
        yield line.split()[1]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


class Shell:
    """Runs commands with one set of variables."""

    def __init__(self, **settings: str) -> None:
        self.settings = settings

    async def run(self, *arguments: str, fails: bool = False, **settings: str) -> str:
        """The output of a command, or the errors of one that fails."""
        process = await asyncio.create_subprocess_exec(
            *build_command(*arguments),
            env=build_environment(**self.settings, **settings),
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            output, errors = await process.communicate()
        assert (process.returncode != 0) is fails, (output, errors)
        return (errors if fails else output).decode()


def read_rows(output: str) -> dict[str, str]:
    """The rows of a report by their names."""
    pairs = [line.split(maxsplit=1) for line in output.splitlines() if not line.startswith(" ")]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def read_balances(output: str) -> dict[str, str]:
    """What ``wallet show`` says that a wallet holds, by token."""
    pairs = [line.split() for line in output.splitlines() if line.startswith("  ")]
    return {token: amount for amount, token in pairs}


async def place_orders(http: aiohttp.ClientSession, count: int) -> list[dict[str, Any]]:
    """Place orders that sell SOL, and wait until all have ended."""
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": str(SOL_EACH)}
    async with http.post("/api/orders/batch", json={"orders": [order] * count}) as response:
        assert response.status == 202, await response.text()
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            async with http.get("/api/orders", params={"limit": "1000"}) as response:
                orders: list[dict[str, Any]] = (await response.json())["orders"]
            if all(each["status"] in {"confirmed", "failed"} for each in orders):
                return orders
            await asyncio.sleep(0.1)


async def test_orders_on_devnet_with_settings_only(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "wallet.json"
    async with run_devnet(tmp_path / "chain") as url:
        shell = Shell(SOLANA_RPC_URL=url, ORDER_ENGINE_WALLET_FILE=str(file))
        address = read_rows(await shell.run("wallet", "new", "--file", str(file)))["address"]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert read_rows(await shell.run("wallet", "show"))["cluster"] == "devnet"
        told = read_rows(await shell.run("wallet", "airdrop", "--sol", "5"))
        assert (told["wallet"], told["balance"]) == (address, "5 SOL")

        report = await shell.run("doctor", "--data-dir", str(data_dir))
        assert "raydium/cpmm        DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb" in report
        live = {"LIVE": "1", "CLUSTER": "devnet", "OPEN_ACCESS": "live"}
        settings = shell.settings | {f"ORDER_ENGINE_{name}": text for name, text in live.items()}
        async with run_up(data_dir, "--headless", **settings) as up:
            orders = await place_orders(up.http, ORDERS)
            async with up.http.get("/readyz") as response:
                assert (await response.json())["checks"]["programs"] == {"ok": True}
            assert await up.stop() == 0
        held = read_balances(await shell.run("wallet", "show"))

    assert [each["status"] for each in orders] == ["confirmed"] * ORDERS, orders
    assert Decimal(held["USDC"]) == sum(Decimal(each["amountOut"]) for each in orders)
    spent = Decimal(5) - ORDERS * SOL_EACH - Decimal(held["SOL"])
    assert Decimal(0) < spent < Decimal("0.01"), "fees, and the rent of one account"
