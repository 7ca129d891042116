"""Posts orders while the primary of a store is killed and another takes its place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.trials.audit.clients import ClientObservations, TrialClient
from backend.trials.audit.collector import EvidenceCollector, find_unanswered
from backend.trials.audit.evidence import DatabaseSnapshot, fetch_database_time
from backend.trials.audit.records import Violation
from backend.trials.audit.rules import audit
from backend.trials.failover.stores import RunningStores

TIMEOUT_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class FailoverResult:
    """What became of orders, and what is wrong.

    Seconds from the loss of the primary to the promotion, the next order that was accepted, and the
    first of those that was confirmed; and from the acceptance of the slowest order of all that were
    confirmed to its end.
    """

    ends: Counter[str]
    promoted_s: float
    accepted_s: float
    confirmed_s: float
    slowest_s: float
    violations: Sequence[Violation]


async def run_orders(
    running: AbstractAsyncContextManager[RunningStores], orders: int, *, rate: float, seed: int
) -> FailoverResult:
    """Run orders, and lose the primary halfway. Raises ``EngineError`` if nothing starts."""
    observed, random = ClientObservations(), Random(seed)  # noqa: S311 - repeatable
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        running as stores,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        collector = EvidenceCollector(stores.addresses, session)
        mark = await collector.record_mark()
        client = TrialClient(session, stores.addresses.api_url, "trial", random, observed)
        async with collector.record_stream(mark, observed), asyncio.TaskGroup() as group:
            posting = group.create_task(client.post_steadily(orders, orders / rate))
            await asyncio.sleep(orders / rate / 2)
            lost_at = await fetch_database_time(stores.addresses.database_url)
            await stores.replace_primary()
            promoted_at = await fetch_database_time(stores.addresses.database_url)
            await collector.await_orders_ended(mark, posting, TIMEOUT_S, needs_amounts=True)
            snapshot = await collector.fetch_orders(mark, observed)
        evidence = await collector.collect(
            mark, snapshot, observed, {"the stream": observed.stream}, needs_amounts=True
        )
    violations = [*audit(evidence), *find_unanswered(observed)]
    return _build_result(snapshot, lost_at, promoted_at, violations)


def _build_result(
    snapshot: DatabaseSnapshot,
    lost_at: datetime,
    promoted_at: datetime,
    violations: Sequence[Violation],
) -> FailoverResult:
    def find_next(times: Sequence[datetime]) -> float:
        later = [each for each in times if each > promoted_at]
        return (min(later) - lost_at).total_seconds() if later else 0.0

    confirmed = {
        key: at
        for key, at in snapshot.ended_at.items()
        if snapshot.rows[key].status is Status.CONFIRMED
    }
    ended = [at for key, at in confirmed.items() if snapshot.created_at[key] > promoted_at]
    times = [(at - snapshot.created_at[key]).total_seconds() for key, at in confirmed.items()]
    return FailoverResult(
        Counter(str(row.status) for row in snapshot.rows.values()),
        (promoted_at - lost_at).total_seconds(),
        find_next(list(snapshot.created_at.values())),
        find_next(ended),
        max(times, default=0.0),
        violations,
    )
