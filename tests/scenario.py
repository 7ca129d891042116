"""A running engine for one test: a real node, a real worker, real servers, and words for orders.

The node and the worker run inside the test's loop; everything between them is as in production.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import aiohttp

from backend import engine
from backend.config import Profile, Settings
from backend.domain.amounts import parse_amount
from backend.domain.lifecycle import Status
from backend.domain.orders import Event, NewOrder, OrderType, Record, Terms
from backend.engine import Front
from backend.simulator.options import SimulatedOptions
from backend.simulator.server import serve

Json = dict[str, Any]
WHOLE = ["pending", "routing", "building", "submitted", "confirmed"]
"""The life of an order that nothing disturbs."""
DEADLINE_S = 60


@dataclass(frozen=True, slots=True)
class Life:
    """What became of an order: its events, their facts, and its row."""

    events: Sequence[Event]
    record: Record

    @property
    def statuses(self) -> list[str]:
        return [event.status.value for event in self.events]

    def facts(self, status: str) -> list[Json]:
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
        """One more worker, once it is ready."""
        ready, stop = asyncio.Event(), asyncio.Event()
        task = self._group.create_task(engine.work(self._settings, ready=ready.set, stop=stop))
        self._running.append((stop, task))
        await ready.wait()

    async def stop(self) -> None:
        """Stop the worker that has run longest, as SIGTERM does; returns when it is gone."""
        stop, task = self._running.pop(0)
        stop.set()
        await task


@dataclass(slots=True)
class Scenario:
    front: Front
    node: aiohttp.ClientSession
    workers: Workers

    def terms(
        self,
        amount: str = "1",
        *,
        pair: tuple[str, str] = ("SOL", "USDC"),
        min_out: str | None = None,
        slippage_bps: int = 50,
    ) -> Terms:
        token_in, token_out = (self.front.tokens.find(name, "token") for name in pair)
        return Terms(
            OrderType.MARKET,
            token_in,
            token_out,
            parse_amount(amount, token_in.decimals),
            None if min_out is None else parse_amount(min_out, token_out.decimals),
            slippage_bps,
        )

    async def accept(self, *wanted: Terms) -> list[UUID]:
        """Orders that are stored, and nothing else: no job is sent."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self.front.intake.accept(NewOrder(self.front.new_id(), "local", terms, b""))
                )
                for terms in wanted
            ]
        return [task.result().id for task in tasks]

    async def order(self, *wanted: Terms) -> list[UUID]:
        """Orders as the API takes them: stored, and a job for each."""
        ids = await self.accept(*wanted)
        await self.front.jobs.send(ids, by="intake")
        return ids

    async def life(self, order_id: UUID) -> Life:
        """Wait for an order's end."""
        await self.reaches(order_id, lambda events: events[-1].status.is_end)
        record = await self.front.orders.get("local", order_id)
        assert record is not None
        return Life(await self.front.feed.of_order(order_id, 0), record)

    async def lives(self, ids: Sequence[UUID]) -> list[Life]:
        return [await self.life(order_id) for order_id in ids]

    async def reaches(self, order_id: UUID, is_there: Callable[[list[Event]], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not is_there(await self.front.feed.of_order(order_id, 0)):
                await asyncio.sleep(0.01)

    async def is_in(self, order_id: UUID, status: Status) -> None:
        """Wait until an order has been in ``status``."""
        await self.reaches(order_id, lambda events: status in {e.status for e in events})

    async def fault(self, **fault: object) -> int:
        """Begin a fault; its number."""
        number: int = (await self.control("faults", fault))["id"]
        return number

    async def heal(self, number: int | None = None) -> None:
        """End a fault, or all of them."""
        await self.control("faults" if number is None else f"faults/{number}", method="DELETE")

    async def ledger(self) -> list[Json]:
        """Every transaction that a block contains."""
        entries: list[Json] = (await self.control("ledger?limit=10000"))["transactions"]
        return entries

    async def executed(self) -> dict[str, Json]:
        """What the node's ledger says was swapped, by signature: each once."""
        swaps = [entry for entry in await self.ledger() if entry["err"] is None]
        by_signature = {entry["signature"]: entry for entry in swaps}
        assert len(by_signature) == len(swaps)
        return by_signature

    async def control(
        self, path: str, body: Json | None = None, *, method: str | None = None
    ) -> Json:
        """Tell the node what to do, or ask what it did."""
        method = method or ("GET" if body is None else "POST")
        async with self.node.request(method, f"/control/{path}", json=body) as response:
            answer: Json = await response.json()
            assert response.status == 200, answer
            return answer


@asynccontextmanager
async def running_node(
    data_dir: Path, options: SimulatedOptions | None = None
) -> AsyncIterator[str]:
    """A simulated node; its URL."""
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            serve(
                options or SimulatedOptions(profile=Profile.INSTANT, wander=False),
                port=0,
                data_dir=data_dir / "chain",
                ready=port.set_result,
                stop=stop,
            )
        )
        try:
            yield f"http://127.0.0.1:{await port}"
        finally:
            stop.set()


@asynccontextmanager
async def scenario(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    *,
    workers: int = 1,
    options: SimulatedOptions | None = None,
    given: Mapping[str, object] | None = None,
) -> AsyncIterator[Scenario]:
    async with running_node(data_dir, options) as node_url:
        settings = Settings.load(
            database_url=database_url,
            redis_url=redis_url,
            solana_rpc_url=node_url,
            profile=Profile.INSTANT,
            **{"shutdown_s": 0, "quote_age_s": 0, **(given or {})},
        )
        async with (
            engine.open_front(settings) as front,
            aiohttp.ClientSession(node_url) as node,
            Workers(settings) as crew,
        ):
            for _ in range(workers):
                await crew.start()
            yield Scenario(front, node, crew)
