"""What can be run: each mode is one run from nothing, and gives its figures and what was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import Final, NamedTuple

import aiohttp

from backend.config import Profile
from backend.embedded import Servers
from backend.store.migrations import migrate
from backend.trials.bench import database_ceiling as ceiling
from backend.trials.bench import order_bodies as orders
from backend.trials.bench.figures import Figures, delays, difference_percent
from backend.trials.bench.listeners import Heard, heard_all, on_order_sockets, streams
from backend.trials.bench.load_client import Answers
from backend.trials.bench.rig import Rig, rig
from backend.trials.bench.servers import own_database
from backend.trials.bench.system import Layout

KIB: Final = 1_024


class Mode(StrEnum):
    """What a run does."""

    SINGLE = "single"
    RATE = "rate"
    BATCH = "batch"
    DEMO = "demo"
    STREAM = "stream"
    HISTORY = "history"
    PGBENCH = "pgbench"


@dataclass(frozen=True, slots=True)
class Load:
    """How much is run, and how. ``orders`` are those of each mode."""

    orders: Mapping[Mode, int]
    warm_up: int = 400
    connections: int = 32
    batch_orders: int = 1_000
    batches_at_once: int = 2
    single_rate: float = 200.0
    stream_rate: float = 300.0
    order_sockets: tuple[int, ...] = (1, 100, 1_000)
    streams: tuple[int, ...] = (1, 100)
    history_orders: int = 1_000_000
    history_modes: tuple[Mode, ...] = (Mode.BATCH, Mode.SINGLE)
    ceiling_rows: tuple[int, ...] = (200, 50)
    ceiling_connections: tuple[int, ...] = (1, 2)
    is_shared: bool = False
    """Whether runs that could share an engine do; then one may slow the next."""


USUAL: Final = Load(
    {
        Mode.SINGLE: 10_000,
        Mode.RATE: 4_000,
        Mode.BATCH: 20_000,
        Mode.DEMO: 5_000,
        Mode.STREAM: 3_000,
        Mode.HISTORY: 10_000,
        Mode.PGBENCH: 20_000,
    }
)
QUICK: Final = Load(
    {
        Mode.SINGLE: 100,
        Mode.RATE: 60,
        Mode.BATCH: 100,
        Mode.DEMO: 40,
        Mode.STREAM: 40,
        Mode.HISTORY: 60,
        Mode.PGBENCH: 200,
    },
    warm_up=0,
    connections=8,
    batch_orders=20,
    order_sockets=(1, 5),
    streams=(1, 5),
    history_orders=1_000,
    history_modes=(Mode.BATCH,),
    ceiling_rows=(50,),
    is_shared=True,
)


class Outcome(NamedTuple):
    """What a run measured, and in which ways something was lost in it."""

    figures: Figures
    wrong: list[str]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs have. ``history`` gives the URL of a database with a past, ``shared`` a
    running engine for runs that may share one.
    """

    load: Load
    layout: Layout
    servers: Servers
    history: Callable[[], Awaitable[str]]
    shared: Callable[[], Awaitable[Rig]]

    async def run(self, mode: Mode, number: int) -> Outcome:
        """The run of this number. Raises ``EngineError`` if it cannot be brought to its end."""
        match mode:
            case Mode.SINGLE | Mode.BATCH:
                return await self._posted(mode, self.load.orders[mode])
            case Mode.RATE:
                return await self._rate()
            case Mode.DEMO:
                return await self._demo()
            case Mode.STREAM:
                return await self._stream()
            case Mode.HISTORY:
                return await self._history(number)
            case Mode.PGBENCH:
                return await self._pgbench()

    async def _posted(self, mode: Mode, count: int, past: str | None = None) -> Outcome:
        is_batch = mode is Mode.BATCH
        connections = self.load.batches_at_once if is_batch else self.load.connections
        async with self._rig(connections=connections, past=past) as made:
            requests = made.requests(count, batch=self.load.batch_orders if is_batch else 0)
            _, figures = await made.measured(lambda: made.client.post(requests))
            return Outcome(_without_memory(figures), await made.lost())

    async def _rate(self) -> Outcome:
        count, rate = self.load.orders[Mode.RATE], self.load.single_rate
        async with self._rig() as made, aiohttp.ClientSession() as session:
            heard, answers, figures = await _followed(made, session, 1, count, rate)
            end_to_end_s = heard.end_to_end_s(answers)
            return Outcome(
                {
                    **delays("end_to_end", end_to_end_s),
                    **delays("event_to_socket", heard.delays_s),
                    **_without_memory(figures),
                },
                await made.lost() + _unheard(len(answers.since) - len(end_to_end_s)),
            )

    async def _demo(self) -> Outcome:
        count = self.load.orders[Mode.DEMO]
        size = self.load.batch_orders
        layout = replace(self.layout, profile=Profile.DEMO)
        async with self._rig(layout, connections=ceil(count / size)) as made:
            requests = made.requests(count, batch=size)
            _, figures = await made.measured(lambda: made.client.post(requests))
            per_order = figures["worker_growth_kib"] / figures["open_orders_max"]
            memory = {"worker_kib_per_order_in_flight": per_order}
            return Outcome(memory | figures, await made.lost())

    async def _stream(self) -> Outcome:
        figures: dict[str, float] = {}
        async with self._rig() as made, _many_sockets() as session:
            for count in self.load.order_sockets:
                found = await self._on_order_sockets(made, session, count)
                figures |= _named(f"{count}_order_sockets", found)
            wrong: list[str] = []
            for count in self.load.streams:
                heard, answers, found = await _followed(
                    made, session, count, self.load.orders[Mode.STREAM], self.load.stream_rate
                )
                found |= delays("event_to_socket", heard.delays_s)
                figures |= _named(f"{count}_streams_of_all", found)
                wrong += _unheard(len(answers.since.keys() - heard.confirmed_s.keys()))
            return Outcome(figures, await made.lost() + wrong)

    async def _on_order_sockets(
        self, made: Rig, session: aiohttp.ClientSession, count: int
    ) -> Figures:
        heard = Heard(made.offset_s)
        bodies = orders.bodies(made.random, self.load.orders[Mode.STREAM])
        _, figures = await made.measured(
            lambda: on_order_sockets(
                session,
                made.system.api_url,
                bodies,
                count=count,
                rate=self.load.stream_rate,
                heard=heard,
            )
        )
        figures.pop("orders_per_s")  # between the rounds sockets are opened
        return {**delays("event_to_socket", heard.delays_s), **figures}

    async def _history(self, number: int) -> Outcome:
        past_url = await self.history()
        count = self.load.orders[Mode.HISTORY]
        urls = {"empty": None, "with_history": past_url}
        figures: dict[str, float] = {}
        wrong: list[str] = []
        for mode in self.load.history_modes:
            # Each comes first in every other run: neither is always the one behind the copying.
            names = sorted(urls, reverse=number % 2 == 0)
            of = {name: await self._posted(mode, count, urls[name]) for name in names}
            rate, base = (of[each].figures["orders_per_s"] for each in ("with_history", "empty"))
            figures[f"{mode}_difference_percent"] = difference_percent(rate, base)
            for name, outcome in of.items():
                figures |= {f"{mode}_{name}_{key}": outcome.figures[key] for key in _COMPARED}
                wrong += outcome.wrong
        return Outcome(figures, wrong)

    async def _pgbench(self) -> Outcome:
        figures: dict[str, float] = {}
        redis_url = self.servers.redis_url
        for rows in self.load.ceiling_rows:
            for connections in self.load.ceiling_connections:
                async with own_database(self.servers.database_url) as url:
                    await migrate(url)
                    figures |= await ceiling.recorded(
                        url,
                        redis_url,
                        orders=self.load.orders[Mode.PGBENCH],
                        rows=rows,
                        connections=connections,
                    )
        return Outcome(figures, [])

    @asynccontextmanager
    async def _rig(
        self,
        layout: Layout | None = None,
        *,
        connections: int | None = None,
        past: str | None = None,
    ) -> AsyncIterator[Rig]:
        if self.load.is_shared and layout is None and past is None:
            yield await self.shared()
            return
        own = rig(
            layout or self.layout,
            self.servers,
            connections=connections or self.load.connections,
            warm_up=self.load.warm_up,
            template_url=past,
        )
        async with own as made:
            yield made


_COMPARED: Final = (
    "orders_per_s",
    "post_p99_ms",
    "cpu_us_per_order_worker",
    "cpu_us_per_order_postgres",
    "wal_bytes_per_order",
    "calibration_ms",
)
_STREAMED: Final = (
    *(f"event_to_socket_{each}_ms" for each in ("p50", "p99", "max")),
    *("orders_per_s", "cpu_us_per_order_api", "cpu_us_per_order_client", "calibration_ms"),
)


async def _followed(
    made: Rig, session: aiohttp.ClientSession, sockets: int, count: int, rate: float
) -> tuple[Heard, Answers, dict[str, float]]:
    """Post ``count`` orders at ``rate`` a second while so many streams of everything are heard."""
    heard = Heard(made.offset_s)
    requests = made.requests(count)

    async def act() -> Answers:
        answers = await made.client.post(requests, rate)
        await heard_all(heard, answers)
        return answers

    async with streams(session, made.system.api_url, sockets, heard):
        answers, figures = await made.measured(act)
    return heard, answers, figures


def _named(name: str, figures: Figures) -> dict[str, float]:
    return {f"{name}_{key}": figures[key] for key in _STREAMED if key in figures}


def _without_memory(figures: Figures) -> dict[str, float]:
    """Orders that end at once say nothing of what one in flight takes."""
    left_out = ("worker_growth_kib", "open_orders_max")
    return {name: value for name, value in figures.items() if name not in left_out}


def _unheard(count: int) -> list[str]:
    return [f"{count} confirmations were not heard on the stream"] if count else []


@asynccontextmanager
async def _many_sockets() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
