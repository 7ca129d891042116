"""A running engine whose wallet is emptied and filled while orders sell shares of what it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer

from backend.chain.compute_budget import ComputeBudget
from backend.chain.costs import compute_network_fee
from backend.chain.rpc.client import RpcClient
from backend.domain.amounts import format_amount
from backend.domain.tokens import SOL
from backend.store.database import open_pool
from backend.store.journal import LEASE_MAX
from backend.store.waiting.share_releases import ShareReleases
from tests.integration.apis import Json, wait_until
from tests.integration.simulator_client import SimulatorClient
from tests.integration.test_waiting_execution import Engine, run_engine

FEE = compute_network_fee(ComputeBudget())
RESERVE = 10**7
"""The reserve of SOL of the settings, which a sale leaves."""
TRANSFER_FEE = 5_000
HELD = 20 * 10**SOL.decimals
"""What can be sold at first: by that shares are estimated, whose price has to be that of one."""
SOL_ORDER: Json = {"tokenIn": "SOL", "tokenOut": "USDC"}
STOP: Json = {**SOL_ORDER, "type": "stop", "triggerPrice": "97", "confirmations": 1}


@dataclass(frozen=True, slots=True)
class ShareEngine:
    """A running engine, a client of its node that moves its funds, and the store of releases."""

    engine: Engine
    client: SimulatorClient
    shares: ShareReleases

    async def leave_sol(self, lamports: int) -> None:
        """Withdraw SOL until exactly this is left."""
        surplus = await self.client.read_balance(SOL) - lamports - TRANSFER_FEE
        source, target = self.client.wallet.address, Keypair.from_seed(bytes([9] * 32)).pubkey()
        parameters = TransferParams(from_pubkey=source, to_pubkey=target, lamports=surplus)
        landed = await self.client.land_instructions(transfer(parameters))
        assert landed.err is None, landed.logs
        assert await self.client.read_balance(SOL) == lamports

    async def leave_free(self, lamports: int) -> None:
        """Withdraw SOL until exactly this can be sold."""
        await self.leave_sol(lamports + FEE + RESERVE)

    async def fund(self, lamports: int) -> None:
        await self.client.fund_wallet(self.client.wallet, "SOL", lamports)

    async def place(self, body: Json, amount: str, **fields: object) -> UUID:
        return await self.engine.place({**body, "amount": amount, **fields})

    async def read(self, order_id: UUID) -> Json:
        return await self.engine.api.get(f"/api/orders/{order_id}")

    async def move_price(self, bps: int) -> None:
        await self.client.call_control("price", {"pair": ["SOL", "USDC"], "bps": bps})

    async def wait_for_note(self, order_id: UUID, code: str) -> Json:
        """The order once a note with this code says why it waits."""
        order: Json = {}

        async def is_noted() -> bool:
            order.update(await self.read(order_id))
            return str(order["lastError"]).startswith(f"{code}: ")

        await wait_until(is_noted)
        return order

    async def wait_for_routing(self, order_id: UUID) -> Json:
        """The event of the first release of an order."""
        events: list[Json] = []

        async def is_released() -> bool:
            read = await self.engine.read_events(order_id)
            events[:] = [event for event in read if event["status"] == "routing"]
            return bool(events)

        await wait_until(is_released)
        return events[0]


def show(lamports: int) -> str:
    """An amount of SOL as it is on the wire."""
    return format_amount(lamports, SOL.decimals)


@asynccontextmanager
async def run_share_engine(
    database_url: str, redis_url: str, data_dir: Path, **overrides: object
) -> AsyncIterator[ShareEngine]:
    settings = {"trigger_interval_s": 0.05, "max_price_impact_bps": 10_000, **overrides}
    async with (
        run_engine(database_url, redis_url, data_dir, **settings) as engine,
        open_pool(database_url, connections_max=2) as pool,
        RpcClient(str(engine.node._base_url)) as rpc,
    ):
        shares = ShareReleases(
            pool, rekick_after=timedelta(0), ahead_max=LEASE_MAX, on_commit=lambda commit: None
        )
        shared = ShareEngine(engine, SimulatorClient(rpc, engine.node), shares)
        await shared.leave_free(HELD)
        yield shared
