"""Posts orders while one node at a time is faulty, and audits what became of them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, product
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import aiohttp

from backend.domain.lifecycle import Status
from backend.routing.quote_choice import UNMET_TERMS_CODES
from backend.trials.audit.clients import ClientObservations, TrialClient
from backend.trials.audit.collector import EvidenceCollector, find_unanswered
from backend.trials.audit.evidence import DatabaseSnapshot, fetch_database_time
from backend.trials.audit.records import Violation, ViolationKind
from backend.trials.audit.rules import audit
from backend.trials.nodes.system import NODES, NodesSystem, run_system

FAULTS: Final[Mapping[str, Mapping[str, object]]] = {
    "down": {"fault": "unreachable"},
    "behind": {"fault": "behind", "slots": 40},
    "forked": {"fault": "forked"},
    "rate-limited": {"fault": "http", "status": 429, "retry_after_seconds": 2},
    "lying about confirmed": {"fault": "false_status"},
    "answering HTML": {"fault": "html"},
    "refusing arrays": {"fault": "refuse_arrays"},
    "not answering": {"fault": "slow", "by_seconds": 600},
}
"""The faults of a node by their names in the report."""
MARKET_CODES: Final = ("slippage", *UNMET_TERMS_CODES)
"""The codes of failures that are the market's, and no node's."""
TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class NodesResult:
    """What became of orders: how many ended how, seconds to their ends, and what is wrong.

    ``seconds_by_fault`` are of the orders that came while a node had a fault; ``repeated`` orders
    took more than one attempt.
    """

    ends: Counter[str]
    seconds: Sequence[float]
    seconds_by_fault: Mapping[str, Sequence[float]]
    repeated: int
    violations: Sequence[Violation]


class _Turn(NamedTuple):
    """A fault of a node, and when it began by the database's clock."""

    started_at: datetime
    fault: str


async def run_orders(
    data_dir: Path, orders: int, *, nodes: int, rate: float, turn_s: float, seed: int
) -> NodesResult:
    """Run orders over so many nodes; of several, one is faulty at any time.

    Raises ``EngineError`` if the engine does not start.
    """
    observed, turns = ClientObservations(), list[_Turn]()
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        run_system(data_dir, nodes=nodes, seed=seed) as system,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        collector = EvidenceCollector(system.addresses, session)
        mark = await collector.record_mark()
        client = TrialClient(
            session,
            system.addresses.api_url,
            "trial",
            Random(seed),  # noqa: S311 - repeatable, not secret
            observed,
        )
        async with collector.record_stream(mark, observed), asyncio.TaskGroup() as group:
            posting = group.create_task(client.post_steadily(orders, orders / rate))
            faults = group.create_task(_break_nodes(session, system, turn_s, turns))
            posting.add_done_callback(lambda _: faults.cancel())
            await asyncio.wait([faults])
            await _clear_faults(session, system)
            await collector.await_orders_ended(mark, posting, TIMEOUT_S, needs_amounts=True)
            snapshot = await collector.fetch_orders(mark, observed)
        evidence = await collector.collect(
            mark, snapshot, observed, {"the stream": observed.stream}, needs_amounts=True
        )
    violations = [*audit(evidence), *find_unanswered(observed)]
    violations += find_spent_attempts(snapshot, observed.unfillable)
    return _count_ends(snapshot, turns, violations)


def _count_ends(
    snapshot: DatabaseSnapshot, turns: Sequence[_Turn], violations: Sequence[Violation]
) -> NodesResult:
    rows = snapshot.rows.values()
    seconds: list[float] = []
    by_fault: dict[str, list[float]] = {}
    for row in rows:
        if row.status is Status.CONFIRMED:
            created_at = snapshot.created_at[row.id]
            seconds.append((snapshot.ended_at[row.id] - created_at).total_seconds())
            number = bisect_right(turns, created_at, key=attrgetter("started_at"))
            if number:
                by_fault.setdefault(turns[number - 1].fault, []).append(seconds[-1])
    return NodesResult(
        Counter(str(row.status) for row in rows),
        seconds,
        by_fault,
        sum(row.attempts > 1 for row in rows),
        violations,
    )


def find_spent_attempts(snapshot: DatabaseSnapshot, unfillable: set[str]) -> list[Violation]:
    """Find orders that failed or began again, unless the market or their own terms were why."""
    violations = []
    for row in snapshot.rows.values():
        has_failed = row.status is not Status.CONFIRMED and row.id not in unfillable
        if row.attempts <= 1 and not has_failed:
            continue
        why = snapshot.failure_by_order.get(row.id, "")
        if not why.startswith(tuple(f"({code}:" for code in MARKET_CODES)):
            message = f"order {row.id} is {row.status} after {row.attempts} attempts {why}"
            violations.append(Violation(ViolationKind.WRONG, message))
    return violations


async def _break_nodes(
    session: aiohttp.ClientSession, system: NodesSystem, turn_s: float, turns: list[_Turn]
) -> None:
    """Break one node after the other in every way, until cancelled."""
    if len(system.node_urls) < NODES:
        await asyncio.Event().wait()
    for name, url in cycle(product(FAULTS, system.node_urls)):
        async with session.post(f"{url}/control/faults", json=FAULTS[name]) as response:
            response.raise_for_status()
        turns.append(_Turn(await fetch_database_time(system.addresses.database_url), name))
        await asyncio.sleep(turn_s)
        async with session.delete(f"{url}/control/faults") as response:
            response.raise_for_status()


async def _clear_faults(session: aiohttp.ClientSession, system: NodesSystem) -> None:
    for url in system.node_urls:
        async with session.delete(f"{url}/control/faults") as response:
            response.raise_for_status()
