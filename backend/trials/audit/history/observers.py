"""Clients that do nothing but look: at orders, lists, statistics and streams of API processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random
from typing import Final

import aiohttp
import asyncpg

from backend.domain.lifecycle import FINAL_STATUSES, Status
from backend.domain.times import format_time
from backend.trials.audit.clients import RETRY_MAX_S, RETRY_S
from backend.trials.audit.evidence import fetch_orders
from backend.trials.audit.history.operations import (
    Action,
    EndCounts,
    FaultTime,
    History,
    Operation,
    Outcome,
    Sighting,
)
from backend.trials.audit.history.reader import HistoryReader
from backend.trials.audit.history.streams import follow_stream
from backend.trials.audit.records import OrderTransition

PAUSE_MAX_S: Final = 0.2
"""The longest that the reader of everything waits between two requests."""
WATCH_PAUSE_S: Final = 0.03
WATCH_MAX: Final = 100
"""The watcher reads an order so often at most: some wait for a price."""
PAGE: Final = 40
PAGE_AT_END: Final = 1_000
PAGES_AT_END: Final = 1_000
LISTED_STATUSES: Final = (None, Status.CONFIRMED, Status.FAILED)
END_S: Final = 20.0
"""How long statistics and streams may take to be complete at the end."""
STALL_MIN_S: Final = 0.5
"""The clients were stopped if they did not run for so long: a busy machine gave them no time."""
STORE: Final = "PostgreSQL"
_COUNT_SQL: Final = "SELECT status::text, count(*) AS n FROM orders GROUP BY status"
_POLL_S: Final = 0.05


class HistoryObservers:
    """Readers and streams of the API processes at ``urls``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        database_url: str,
        history: History,
        seed: str,
    ) -> None:
        self._session = session
        self._urls = urls
        self._database_url = database_url
        self._history = history
        self._seed = seed
        self.streams: Final[Mapping[str, list[OrderTransition]]] = {url: [] for url in urls}
        """The transitions that the stream of each process has shown."""

    @asynccontextmanager
    async def run(self, cursor: str) -> AsyncIterator[None]:
        """Observe for the length of a block; streams begin behind a cursor."""
        self._history.counted_before = await self._count_stored()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    follow_stream(self._session, url, cursor, received, self._history)
                )
                for url, received in self.streams.items()
            ]
            tasks += [
                group.create_task(self._watch_orders()),
                group.create_task(self._read_on()),
                group.create_task(self._note_stalls()),
            ]
            yield
            for task in tasks:
                task.cancel()

    async def read_everywhere(self, order_id: str) -> None:
        """Read an order at once on every process, each until it has an answer."""
        async with asyncio.TaskGroup() as group:
            for url in self._urls:
                group.create_task(self._read_until_answered(url, order_id))

    async def read_at_end(self, since: datetime) -> None:
        """Read all that is stored of the orders since a time, and then of every process.

        Returns once the streams have all events, or too late.
        """
        events = await self._read_store(since)
        reader = HistoryReader(self._session, "the end", self._history)
        for url in self._urls:
            await self._list_at_end(reader, url, format_time(since))
            await self._count_at_end(reader, url)
        try:
            async with asyncio.timeout(END_S):
                while min(map(len, self.streams.values())) < events:  # noqa: ASYNC110 - of tasks
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            pass

    async def _read_store(self, since: datetime) -> int:
        """Record what is stored, and return the number of events."""
        row_read = Operation(Action.READ, "the end", STORE)
        journal_read = Operation(Action.JOURNAL, "the end", STORE)
        with self._history.record(row_read), self._history.record(journal_read):
            snapshot = await fetch_orders(self._database_url, since)
            rows, times = snapshot.rows.values(), snapshot.created_at
            row_read.complete(
                *(Sighting(r.id, r.seq, r.status, format_time(times[r.id])) for r in rows)
            )
            journal_read.complete(*(Sighting(*each) for each in snapshot.journal))
        return len(snapshot.journal)

    async def _count_stored(self) -> dict[str, int]:
        connection = await asyncpg.connect(self._database_url)
        try:
            return {row["status"]: row["n"] for row in await connection.fetch(_COUNT_SQL)}
        finally:
            await connection.close()

    async def _list_at_end(self, reader: HistoryReader, url: str, since: str) -> None:
        end = self._history.now() + END_S
        while not await reader.list_orders(
            url, status=None, size=PAGE_AT_END, pages=PAGES_AT_END, since=since
        ):
            if self._history.now() > end:
                self._history.unread.append(url)
                return
            await asyncio.sleep(RETRY_S)

    async def _count_at_end(self, reader: HistoryReader, url: str) -> None:
        """Read statistics until they are what is stored, which may still change, or too late."""
        end = self._history.now() + END_S
        while True:
            stored = await self._count_stored()
            shown = await reader.count_orders(url) or {}
            self._history.counts_at_end[url] = EndCounts(shown, stored)
            if shown == stored or self._history.now() > end:
                return
            await asyncio.sleep(_POLL_S)

    async def _read_until_answered(self, url: str, order_id: str) -> None:
        reader = HistoryReader(self._session, "a reader of what is new", self._history)
        pause_s = RETRY_S
        while (await reader.read_order(url, order_id)).outcome is Outcome.INFO:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def _watch_orders(self) -> None:
        """Read the newest order again and again to its end, on one process after the other."""
        random = Random(f"{self._seed} watcher")  # noqa: S311 - repeatable, not secret
        reader = HistoryReader(self._session, "a watcher", self._history)
        while True:
            for order_id in self._history.placed[-1:]:
                await self._watch(reader, order_id, random)
            await asyncio.sleep(WATCH_PAUSE_S)

    async def _watch(self, reader: HistoryReader, order_id: str, random: Random) -> None:
        for _ in range(WATCH_MAX):
            for url in random.sample(self._urls, len(self._urls)):
                read = await reader.read_order(url, order_id)
                if read.outcome is Outcome.INFO:  # it may be down: others are watched meanwhile
                    return
            if any(each.status in FINAL_STATUSES for each in read.sightings):
                return
            await asyncio.sleep(WATCH_PAUSE_S)

    async def _note_stalls(self) -> None:
        """Note when this process did not run: what it then waited for was nobody's fault."""
        history = self._history
        while True:
            began_at = history.now()
            await asyncio.sleep(_POLL_S)
            if history.now() - began_at > STALL_MIN_S:
                history.stalls.append(FaultTime(began_at, history.now()))

    async def _read_on(self) -> None:
        random = Random(f"{self._seed} reader")  # noqa: S311 - repeatable, not secret
        reader = HistoryReader(self._session, "a reader", self._history)
        while True:
            url, changed = random.choice(self._urls), self._history.changed
            draw = random.random()
            if draw < 0.6 and changed:
                await reader.read_order(url, random.choice(changed))
            elif draw < 0.9:
                status = random.choice(LISTED_STATUSES)
                await reader.list_orders(url, status=status, size=PAGE, pages=2)
            else:
                await reader.count_orders(url)
            await asyncio.sleep(random.uniform(0, PAUSE_MAX_S))
