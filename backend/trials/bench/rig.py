"""One run's rig: a running engine over a database of its own, a client, and what is measured
around whatever the client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

import asyncpg

from backend.domain.errors import Transient
from backend.embedded import Servers
from backend.trials.bench import order_bodies as orders
from backend.trials.bench import process_usage as usage
from backend.trials.bench import verification as facts
from backend.trials.bench.figures import after_rest_factor, calibration_ms, delays
from backend.trials.bench.load_client import Answers, Client, connected
from backend.trials.bench.servers import own_database, own_redis
from backend.trials.bench.system import Layout, System, started
from backend.trials.bench.verification import Connection

POLL_S: Final = 0.25
STALLED_S: Final = 60.0
"""How long no order may end before the run is given up: longer than a lease and its sweep."""


class _Sample(NamedTuple):
    at_s: float
    cpu_s: Mapping[str, float]
    wal_bytes: float
    worker_bytes: int


@dataclass(slots=True)
class Rig:
    """What a run works with. ``offset_s`` makes the database's time of the event loop's."""

    system: System
    client: Client
    connection: Connection
    random: Random
    offset_s: float
    accepted: set[str] = field(default_factory=set)

    def requests(self, count: int, *, batch: int = 0) -> list[bytes]:
        """So many orders as requests: each by itself, or in batches of this size."""
        bodies = orders.bodies(self.random, count)
        if batch:
            return orders.batches(self.system.api_url, bodies, batch)
        return orders.singles(self.system.api_url, bodies)

    async def warm_up(self, count: int) -> None:
        """Run some orders first, half of them in a batch."""
        if count:
            self._take(await self.client.post(self.requests(count - count // 2)))
            self._take(await self.client.post(self.requests(count // 2 or 1, batch=count)))
        await self._until_ended()

    async def measured(
        self, act: Callable[[], Awaitable[Answers]]
    ) -> tuple[Answers, dict[str, float]]:
        """Let ``act`` post orders, wait until all have ended, and say what it took.

        Raises ``Transient`` if orders do not end, or a process does.
        """
        loop = asyncio.get_running_loop()
        calibration = [calibration_ms(loop.time)]
        after_rest = [after_rest_factor(loop.time)]
        usage.forget_peaks(self.system.pids["worker"])
        before = await self._sample()
        answers = await act()
        self._take(answers)
        open_max = await self._until_ended()
        after = await self._sample()
        calibration.append(calibration_ms(loop.time))
        after_rest.append(after_rest_factor(loop.time))
        totals = await facts.totals(self.connection, before.at_s + self.offset_s)
        made = totals.orders or 1
        took_s = totals.last_s - (answers.first_s + self.offset_s)
        growth = usage.memory_bytes(self.system.pids["worker"], "VmHWM") - before.worker_bytes
        figures = {
            "orders_per_s": totals.confirmed / took_s,
            "seconds_to_last_confirmed": took_s,
            "not_confirmed": float(totals.orders - totals.confirmed),
            **delays("post", answers.delays_s),
            **{
                f"cpu_us_per_order_{name}": (used_s - before.cpu_s[name]) / made * 1e6
                for name, used_s in after.cpu_s.items()
            },
            "wal_bytes_per_order": (after.wal_bytes - before.wal_bytes) / made,
            "rows_per_order": (totals.orders + totals.events) / made,
            "open_orders_max": float(open_max),
            "worker_growth_kib": growth / 1_024,
            "calibration_ms": sum(calibration) / 2,
            "after_rest_factor": sum(after_rest) / 2,
        }
        return answers, figures

    async def lost(self) -> list[str]:
        """What is not as it was answered; everything since the engine was started counts."""
        return facts.lost(
            self.accepted,
            await facts.stored(self.connection),
            await facts.swaps(self.system.chain_url),
        )

    def _take(self, answers: Answers) -> None:
        self.accepted |= answers.since.keys()

    async def _sample(self) -> _Sample:
        return _Sample(
            asyncio.get_running_loop().time(),
            usage.cpu_s(self.system.pids),
            await facts.wal_bytes(self.connection),
            usage.memory_bytes(self.system.pids["worker"], "VmRSS"),
        )

    async def _until_ended(self) -> int:
        """Return when every order has ended; how many were open at most."""
        loop = asyncio.get_running_loop()
        most = left = await facts.still_open(self.connection)
        moved_s = loop.time()
        while left:
            await asyncio.sleep(POLL_S)
            self.system.check()
            now = await facts.still_open(self.connection)
            if now != left:
                moved_s = loop.time()
            elif loop.time() - moved_s > STALLED_S:
                raise Transient("stalled", f"{now} orders have not ended in {STALLED_S:g} s")
            left, most = now, max(most, now)
        return most


@asynccontextmanager
async def rig(
    layout: Layout,
    servers: Servers,
    *,
    connections: int,
    warm_up: int,
    template_url: str | None = None,
) -> AsyncIterator[Rig]:
    """An engine that was warmed up, over a new database or a copy of one."""
    loop = asyncio.get_running_loop()
    async with (
        own_database(servers.database_url, template_url) as database_url,
        own_redis(servers.redis_url) as redis_url,
        started(layout, database_url, redis_url) as system,
        connected(system.api_url, connections) as client,
    ):
        connection = await asyncpg.connect(database_url)
        try:
            offset_s = await facts.clock_offset_s(connection, loop.time)
            seed = f"{layout.seed} orders"
            random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
            made = Rig(system, client, connection, random, offset_s)
            await made.warm_up(warm_up)
            yield made
        finally:
            await connection.close()
