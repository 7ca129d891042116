"""An engine of several worker processes whose wallets hold exactly what a trial gives them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aiohttp
from solders.keypair import Keypair

from backend.api.server.listener import choose_free_port
from backend.chain.wallet import write_keypair
from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.simulator.server import BUNDLES_PATH
from backend.trials.audit.evidence import fetch_ledger
from backend.trials.data_dir import create_trial_directory
from backend.trials.whole_engine import run_whole_engine

POLL_S: Final = 0.2
BATCH: Final = 1_000
RECENT_BLOCKS: Final = 150
"""As many as a node tells the prices of."""
FINAL: Final = frozenset(status for status in Status if status.is_final)

Json = dict[str, Any]


class WalletEngine(NamedTuple):
    """A running engine: sessions to its API and to its node, and the addresses of its wallets."""

    api: aiohttp.ClientSession
    node: aiohttp.ClientSession
    node_url: str
    wallets: Sequence[str]

    async def fund(self, wallet: str, token: str, amount: int) -> None:
        """Credit a wallet with base units of a token."""
        await self._control("fund", {"owner": wallet, "token": token, "amount": amount})

    async def serialize_payers(self, transactions_per_slot: int) -> None:
        """Have the node take so many transactions of one fee payer into a slot."""
        await self._control("payers", {"transactions_per_slot": transactions_per_slot})

    async def set_congestion(self, unit_price: int, wander_bps: int) -> None:
        """Have transactions wait that pay less for a compute unit than about this price.

        All recent blocks have charged it already.
        """
        await self._control("congestion", {"unit_price": unit_price, "wander_bps": wander_bps})
        await self.advance(RECENT_BLOCKS)

    async def advance(self, blocks: int) -> None:
        """Move the chain on by so many blocks at once."""
        await self._control("advance", {"blocks": blocks})

    async def read_slot(self) -> int:
        """The chain's slot now."""
        async with self.node.get("/control/state") as response:
            return int((await response.json())["slot"])

    async def arm_fault(self, fault: Mapping[str, object]) -> None:
        """Arm a fault of the node."""
        await self._control("faults", dict(fault))

    async def place(self, orders: Sequence[Mapping[str, object]]) -> list[str]:
        """Place orders at once; returns their ids."""
        ids: list[str] = []
        async with asyncio.TaskGroup() as group:
            posts = [
                group.create_task(self._post_batch(orders[at : at + BATCH]))
                for at in range(0, len(orders), BATCH)
            ]
        for post in posts:
            ids += post.result()
        return ids

    async def wait_ended(self, count: int, timeout_s: float) -> None:
        """Wait until so many orders have ended. Raises ``Transient`` if they do not in time."""
        await self._wait_status(FINAL, count, timeout_s)

    async def wait_submitted(self, count: int, timeout_s: float) -> None:
        """Wait until so many orders were submitted, or have ended. Raises as ``wait_ended``."""
        await self._wait_status(FINAL | {Status.SUBMITTED}, count, timeout_s)

    async def _wait_status(
        self, statuses: Collection[Status], count: int, timeout_s: float
    ) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    async with self.api.get("/api/stats") as response:
                        counts = (await response.json())["byStatus"]
                    if sum(n for name, n in counts.items() if Status(name) in statuses) >= count:
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            reason = f"not all orders came so far within {timeout_s:.0f} s: {counts}"
            raise Transient("orders_open", reason) from None

    async def read_orders(self) -> list[Json]:
        """All orders."""
        orders: list[Json] = []
        query = {"limit": "1000"}
        while True:
            async with self.api.get("/api/orders", params=query) as response:
                page = await response.json()
            orders += page["orders"]
            if page["next"] is None:
                return orders
            query["cursor"] = page["next"]

    async def read_events(self, ids: Sequence[str]) -> list[list[Json]]:
        """The events of each order."""
        async with asyncio.TaskGroup() as group:
            reads = [group.create_task(self._read_events(each)) for each in ids]
        return [read.result() for read in reads]

    async def count_transactions(self) -> Counter[str]:
        """The transactions in the node's ledger: those that ``landed`` and that ``reverted``."""
        entries, _ = await fetch_ledger(self.node, "", 0)
        return Counter("landed" if each["err"] is None else "reverted" for each in entries)

    async def _control(self, name: str, body: Json) -> None:
        async with self.node.post(f"/control/{name}", json=body) as response:
            if response.status != 200:
                raise Transient("control_failed", await response.text())

    async def _read_events(self, order_id: str) -> list[Json]:
        async with self.api.get(f"/api/orders/{order_id}/events") as response:
            events: list[Json] = (await response.json())["events"]
            return events

    async def _post_batch(self, orders: Sequence[Mapping[str, object]]) -> list[str]:
        body = {"orders": orders}
        async with self.api.post("/api/orders/batch", json=body) as response:
            answer = await response.json()
        return [each["orderId"] for each in answer["orders"]]


@asynccontextmanager
async def run_wallet_engine(
    *, wallets: int, workers: int, settings: Mapping[str, object], has_bundles: bool = False
) -> AsyncIterator[WalletEngine]:
    """Run an engine of its own, with wallets that hold nothing yet.

    With ``has_bundles`` it sends to the node's bundle endpoint. Raises ``Transient`` if it does not
    start.
    """
    with create_trial_directory("wallets") as directory:
        directory.is_disposable = True
        keypairs = [Keypair() for _ in range(wallets)]
        files = [directory.path / f"wallet-{number}.json" for number in range(wallets)]
        for keypair, file in zip(keypairs, files, strict=True):
            write_keypair(file, keypair)
        chain_port = choose_free_port("127.0.0.1")
        node_url = f"http://127.0.0.1:{chain_port}"
        layout = {
            **({"jito_url": node_url + BUNDLES_PATH} if has_bundles else {}),
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
            aiohttp.ClientSession(node_url) as node,
        ):
            yield WalletEngine(api, node, node_url, [str(each.pubkey()) for each in keypairs])
