"""An engine of several worker processes whose wallets hold exactly what a trial gives them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from solders.keypair import Keypair

from backend.domain.errors import Transient
from backend.trials.data_dir import create_trial_directory
from backend.trials.whole_engine import run_whole_engine

ENDS: Final = ("confirmed", "failed", "cancelled", "expired")
POLL_S: Final = 0.2
BATCH: Final = 1_000

Json = dict[str, Any]


class WalletEngine(NamedTuple):
    """A running engine: sessions to its API and to its node, and the addresses of its wallets."""

    api: aiohttp.ClientSession
    node: aiohttp.ClientSession
    wallets: Sequence[str]

    async def fund(self, wallet: str, token: str, amount: int) -> None:
        """Credit a wallet with base units of a token."""
        await self._control("fund", {"owner": wallet, "token": token, "amount": amount})

    async def serialize_payers(self, transactions_per_slot: int) -> None:
        """Have the node take so many transactions of one fee payer into a slot."""
        await self._control("payers", {"transactions_per_slot": transactions_per_slot})

    async def place(self, order: Mapping[str, object], count: int) -> list[str]:
        """Place orders of one kind at once; returns their ids."""
        ids: list[str] = []
        async with asyncio.TaskGroup() as group:
            posts = [
                group.create_task(self._post_batch(order, min(BATCH, count - at)))
                for at in range(0, count, BATCH)
            ]
        for post in posts:
            ids += post.result()
        return ids

    async def wait_ended(self, count: int, timeout_s: float) -> None:
        """Wait until so many orders have ended. Raises ``Transient`` if they do not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    async with self.api.get("/api/stats") as response:
                        counts = (await response.json())["byStatus"]
                    if sum(counts.get(end, 0) for end in ENDS) >= count:
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            reason = f"not all orders ended within {timeout_s:.0f} s: {counts}"
            raise Transient("orders_open", reason) from None

    async def read_orders(self) -> list[Json]:
        """All orders."""
        orders: list[Json] = []
        query = {"limit": "1000"}
        while True:
            async with self.api.get("/api/orders", params=query) as response:
                page = await response.json()
            orders += page["orders"]
            if page.get("cursor") is None:
                return orders
            query["cursor"] = page["cursor"]

    async def count_transactions(self) -> Counter[str]:
        """The transactions in the node's ledger: those that ``landed`` and that ``reverted``."""
        counts: Counter[str] = Counter()
        after = 0
        while True:
            async with self.node.get(f"/control/ledger?after={after}&limit=10000") as response:
                page = await response.json()
            if not page["transactions"]:
                return counts
            counts.update(
                "landed" if each["err"] is None else "reverted" for each in page["transactions"]
            )
            after = page["next"]

    async def _control(self, name: str, body: Json) -> None:
        async with self.node.post(f"/control/{name}", json=body) as response:
            if response.status != 200:
                raise Transient("control_failed", await response.text())

    async def _post_batch(self, order: Mapping[str, object], count: int) -> list[str]:
        body = {"orders": [order] * count}
        async with self.api.post("/api/orders/batch", json=body) as response:
            answer = await response.json()
        return [each["orderId"] for each in answer["orders"]]


@asynccontextmanager
async def run_wallet_engine(
    *, wallets: int, workers: int, settings: Mapping[str, object]
) -> AsyncIterator[WalletEngine]:
    """Run an engine of its own, with wallets that hold nothing yet.

    Raises ``Transient`` if it does not start.
    """
    with create_trial_directory("wallets") as directory:
        directory.is_disposable = True
        keypairs = [Keypair() for _ in range(wallets)]
        files = [_write_keypair(directory.path, each) for each in keypairs]
        chain_port = _choose_port()
        layout = {
            "workers": workers,
            "chain_port": chain_port,
            "wallet_files": ",".join(map(str, files)),
            "log_level": "warning",
            "rate_limit": 0,
            **settings,
        }
        async with (
            run_whole_engine(directory.path, layout) as engine,
            aiohttp.ClientSession(engine.url) as api,
            aiohttp.ClientSession(f"http://127.0.0.1:{chain_port}") as node,
        ):
            yield WalletEngine(api, node, [str(each.pubkey()) for each in keypairs])


def _write_keypair(directory: Path, keypair: Keypair) -> Path:
    path = directory / f"wallet-{keypair.pubkey()}.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(list(bytes(keypair)), file)
    return path


def _choose_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
