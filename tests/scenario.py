"""A complete engine for one test: a real node, real workers, real servers, and order helpers.

The node and the workers run inside the test's event loop; everything between them is as in
production.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import aiohttp

from backend.config import Profile, Settings
from backend.domain.amounts import parse_amount
from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder, OrderEvent, OrderRecord, OrderTerms, OrderType
from backend.engine.api_services import ApiServices, open_api_services
from backend.engine.worker import run_worker
from backend.simulator.options import SimulatorOptions
from backend.simulator.server import BUNDLES_PATH, serve

Json = dict[str, Any]
HAPPY_PATH = ["pending", "routing", "building", "submitted", "confirmed"]
"""The statuses of an order without failures."""
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """The events and the final row of an order."""

    events: Sequence[OrderEvent]
    record: OrderRecord

    @property
    def statuses(self) -> list[str]:
        return [event.status.value for event in self.events]

    def event_data(self, status: str) -> list[Json]:
        return [json.loads(event.data) for event in self.events if event.status == status]


class Workers:
    """The workers of a test; those that still run at its end are stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._group = asyncio.TaskGroup()
        self._running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        for stop, _ in self._running:
            stop.set()
        await self._group.__aexit__(*exception)

    async def start(self) -> None:
        """Start one more worker, and wait until it is ready."""
        ready, stop = asyncio.Event(), asyncio.Event()
        task = self._group.create_task(run_worker(self._settings, on_ready=ready.set, stop=stop))
        self._running.append((stop, task))
        await ready.wait()

    async def stop(self) -> None:
        """Stop the oldest worker, as SIGTERM does; returns when it has ended."""
        stop, task = self._running.pop(0)
        stop.set()
        await task


@dataclass(slots=True)
class EngineHarness:
    services: ApiServices
    node: aiohttp.ClientSession
    workers: Workers

    def build_terms(
        self,
        amount: str = "1",
        *,
        pair: tuple[str, str] = ("SOL", "USDC"),
        min_out: str | None = None,
        slippage_bps: int = 50,
    ) -> OrderTerms:
        token_in, token_out = (self.services.tokens.find(name, "token") for name in pair)
        return OrderTerms(
            OrderType.MARKET,
            token_in,
            token_out,
            parse_amount(amount, token_in.decimals),
            None if min_out is None else parse_amount(min_out, token_out.decimals),
            slippage_bps,
        )

    async def store_orders(self, *order_terms: OrderTerms, owner: str = "local") -> list[UUID]:
        """Store orders, without sending a job for them."""
        new_id, intake = self.services.new_id, self.services.intake
        orders = [NewOrder(new_id(), owner, terms, b"") for terms in order_terms]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(intake.accept(order)) for order in orders]
        return [task.result().id for task in tasks]

    async def place_orders(self, *order_terms: OrderTerms, owner: str = "local") -> list[UUID]:
        """Accept orders as the API does: store them, and send a job for each."""
        ids = await self.store_orders(*order_terms, owner=owner)
        await self.services.jobs.send(owner, ids)
        return ids

    async def execute_expiring_once(self) -> OrderHistory:
        """Execute an order whose first transaction never lands; returns its history."""
        drop_fault = await self.inject_fault(fault="drop")
        [order_id] = await self.place_orders(self.build_terms("1"))
        await self.wait_status(order_id, Status.SUBMITTED)
        await self.control_node("advance", {"blocks": 200})
        await self.wait_until(order_id, lambda events: len(events) > 4)
        await self.remove_faults(drop_fault)
        return await self.wait_ended(order_id)

    async def wait_ended(self, order_id: UUID) -> OrderHistory:
        """Wait until an order has ended."""
        await self.wait_until(order_id, lambda events: events[-1].status.is_final)
        record = await self.services.orders.get("local", order_id)
        assert record is not None
        return OrderHistory(await self.services.feed.read_order_events(order_id, 0), record)

    async def wait_all_ended(self, ids: Sequence[UUID]) -> list[OrderHistory]:
        return [await self.wait_ended(order_id) for order_id in ids]

    async def wait_until(self, order_id: UUID, is_met: Callable[[list[OrderEvent]], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not is_met(await self.services.feed.read_order_events(order_id, 0)):
                await asyncio.sleep(0.01)

    async def wait_status(self, order_id: UUID, status: Status) -> None:
        """Wait until an order has been in ``status``."""
        await self.wait_until(order_id, lambda events: status in {e.status for e in events})

    async def inject_fault(self, **fault: object) -> int:
        """Start a fault of the node, and return its id."""
        fault_id: int = (await self.control_node("faults", fault))["id"]
        return fault_id

    async def remove_faults(self, fault_id: int | None = None) -> None:
        """Remove one fault, or all of them."""
        path = "faults" if fault_id is None else f"faults/{fault_id}"
        await self.control_node(path, method="DELETE")

    async def read_ledger(self) -> list[Json]:
        """All transactions that a block contains."""
        entries: list[Json] = (await self.control_node("ledger?limit=10000"))["transactions"]
        return entries

    async def read_swaps(self) -> dict[str, Json]:
        """The successful swaps of the node's ledger by signature, each only once."""
        swaps = [entry for entry in await self.read_ledger() if entry["err"] is None]
        by_signature = {entry["signature"]: entry for entry in swaps}
        assert len(by_signature) == len(swaps)
        return by_signature

    async def control_node(
        self, path: str, body: Json | None = None, *, method: str | None = None
    ) -> Json:
        """Send a request to the control API of the node."""
        method = method or ("GET" if body is None else "POST")
        async with self.node.request(method, f"/control/{path}", json=body) as response:
            result: Json = await response.json()
            assert response.status == 200, result
            return result


@asynccontextmanager
async def run_node(
    data_dir: Path, options: SimulatorOptions | None = None, *, port: int = 0
) -> AsyncIterator[str]:
    """Run a simulated node, and yield its URL."""
    stop = asyncio.Event()
    bound_port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            serve(
                options or SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False),
                port=port,
                data_dir=data_dir / "chain",
                ready=bound_port.set_result,
                stop=stop,
            )
        )
        try:
            yield f"http://127.0.0.1:{await bound_port}"
        finally:
            stop.set()


@asynccontextmanager
async def open_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    *,
    workers: int = 1,
    options: SimulatorOptions | None = None,
    settings: Mapping[str, object] | None = None,
    proxied: Callable[[str], AbstractAsyncContextManager[str]] | None = None,
    has_socket: bool = False,
    has_bundles: bool = False,
) -> AsyncIterator[EngineHarness]:
    """``proxied`` runs a proxy before the node at a URL, and yields the URL for the engine.

    With ``has_socket`` the engine subscribes to the node, otherwise it polls it. With
    ``has_bundles`` it sends to the node's bundle endpoint.
    """
    async with AsyncExitStack() as stack:
        node_url = await stack.enter_async_context(run_node(data_dir, options))
        rpc_url = node_url
        if proxied is not None:
            rpc_url = await stack.enter_async_context(proxied(node_url))
        engine_settings = Settings.load(
            database_url=database_url,
            redis_url=redis_url,
            solana_rpc_url=rpc_url,
            profile=Profile.INSTANT,
            **{
                "shutdown_s": 0,
                "quote_age_s": 0,
                **({"rpc_ws_url": node_url.replace("http", "ws", 1)} if has_socket else {}),
                **({"jito_url": node_url + BUNDLES_PATH} if has_bundles else {}),
                **(settings or {}),
            },
        )
        async with (
            open_api_services(engine_settings) as services,
            aiohttp.ClientSession(node_url) as node,
            Workers(engine_settings) as engine_workers,
        ):
            for _ in range(workers):
                await engine_workers.start()
            yield EngineHarness(services, node, engine_workers)
