"""A run whose orders are audited, and whose history is checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import aiohttp

from backend.trials.audit.clients import ClientObservations
from backend.trials.audit.collector import EvidenceCollector, TrialAddresses, find_unanswered
from backend.trials.audit.evidence import DatabaseSnapshot, EvidenceMark
from backend.trials.audit.history.observers import HistoryObservers
from backend.trials.audit.history.rules import (
    HistorySummary,
    check_history,
    choose_bounds,
    summarize_history,
)
from backend.trials.audit.records import Violation
from backend.trials.audit.rules import audit

Play = Callable[[asyncio.TaskGroup], Awaitable[asyncio.Task[None]]]
"""Plays what is tried, and returns the task that posts orders once nothing else is to come."""


@dataclass(frozen=True, slots=True)
class RunFindings:
    """What is stored of the orders in the end, what was checked, and what is wrong."""

    snapshot: DatabaseSnapshot
    history: HistorySummary
    violations: Sequence[Violation]

    def count_ends(self) -> Counter[str]:
        """Count the orders by their status."""
        return Counter(str(row.status) for row in self.snapshot.rows.values())


class RunBounds(NamedTuple):
    """Seconds that a request may take without a fault, and orders to end after the last."""

    answer_s: float
    timeout_s: float


class ObservedRun:
    """A run at the API processes of ``urls``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        addresses: TrialAddresses,
        urls: Sequence[str],
        bounds: RunBounds,
        seed: int,
    ) -> None:
        self.observed: Final = ClientObservations()
        self.observers: Final = HistoryObservers(
            session, urls, addresses.database_url, self.observed.history, str(seed)
        )
        self._collector = EvidenceCollector(addresses, session)
        self._bounds = bounds

    async def run(self, play: Play) -> RunFindings:
        """Observe what is played to the end of its orders, or a timeout, and judge it."""
        collector, observed = self._collector, self.observed
        mark = await collector.record_mark()
        async with (
            collector.record_stream(mark, observed),
            self.observers.run(mark.cursor),
            asyncio.TaskGroup() as group,
        ):
            posting = await play(group)
            await collector.await_orders_ended(
                mark, posting, self._bounds.timeout_s, needs_amounts=True
            )
            snapshot = await collector.fetch_orders(mark, observed)
            await self.observers.read_at_end(mark.at)
        return await self._judge(mark, snapshot)

    async def _judge(self, mark: EvidenceMark, snapshot: DatabaseSnapshot) -> RunFindings:
        observed = self.observed
        streams = {"the stream": observed.stream, **self.observers.streams}
        evidence = await self._collector.collect(
            mark, snapshot, observed, streams, needs_amounts=True
        )
        violations = [
            *audit(evidence),
            *find_unanswered(observed),
            *check_history(observed.history, choose_bounds(self._bounds.answer_s)),
        ]
        return RunFindings(snapshot, summarize_history(observed.history), violations)
