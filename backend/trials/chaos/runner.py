"""Runs one turn of a scenario: posts orders under faults, waits for recovery, and audits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

import aiohttp

from backend.chain.wallet import create_paper_wallet
from backend.domain.lifecycle import Status
from backend.domain.tokens import SOL
from backend.trials.audit.canceller import OrderCanceller
from backend.trials.audit.clients import (
    ClientObservations,
    Json,
    TrialClient,
    build_order_body,
)
from backend.trials.audit.collector import EvidenceCollector, TrialAddresses, find_unanswered
from backend.trials.audit.evidence import (
    DatabaseSnapshot,
    EvidenceMark,
    fetch_database_time,
    fetch_orders,
)
from backend.trials.audit.grouped_bodies import PairBuilder
from backend.trials.audit.history.observers import HistoryObservers
from backend.trials.audit.history.operations import History
from backend.trials.audit.history.rules import check_history, choose_bounds
from backend.trials.audit.records import CancelObservations, Evidence, Violation, ViolationKind
from backend.trials.audit.rules import audit
from backend.trials.audit.sliced_bodies import build_sliced_body
from backend.trials.audit.waiting_rules import build_waiting_body
from backend.trials.chaos.fault_kinds import Fault
from backend.trials.chaos.injection.fault_injectors import inject
from backend.trials.chaos.scenarios import SECOND_API
from backend.trials.chaos.schedule import Turn
from backend.trials.chaos.system import EngineSystem
from backend.trials.chaos.timing import ANSWER_S, CLOCK_AHEAD_S, recovery_bound_s

CLIENTS: Final = 4
SWEEPS: Final = 4
"""How often all orders that sell a token are cancelled, in a turn that cancels."""
CANCEL_S: Final = 0.5
ORDERS_TIMEOUT_S: Final = 45.0
"""How long orders may take to end before they count as stuck."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """The result of a turn. ``faults_injected`` counts the faults that took effect."""

    scenario: str
    orders: int
    end_counts: Mapping[str, int]
    faults_planned: int
    faults_injected: int
    violations: Sequence[Violation]
    recovery_s: float
    errors: int
    accepted: Mapping[str, frozenset[str]]
    cancels: CancelObservations

    def count(self, kind: ViolationKind) -> int:
        """Count the violations of one kind."""
        return sum(violation.kind is kind for violation in self.violations)

    @property
    def has_passed(self) -> bool:
        """Whether there is no violation and every planned fault took effect."""
        return not self.violations and self.faults_injected == self.faults_planned


class ScenarioRunner:
    """Runs turns against a running system, with one HTTP session for all clients."""

    def __init__(
        self, system: EngineSystem, session: aiohttp.ClientSession, seed: int, machine_s: float
    ) -> None:
        self._system = system
        self._machine_s = machine_s
        self._session = session
        self._seed = seed
        self._collector = EvidenceCollector(
            TrialAddresses(
                system.database_url,
                system.chain_url,
                system.api_url,
                create_paper_wallet().address,
            ),
            session,
        )

    async def record_mark(self) -> EvidenceMark:
        """Record where the evidence of the turns from now on starts."""
        return await self._collector.record_mark()

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Run one turn, from its first order to its audit."""
        async with AsyncExitStack() as stack:
            settings = turn.scenario.settings
            if turn.scenario.has_signer:
                settings = await stack.enter_async_context(self._system.run_signer())
            await self._system.set_worker_settings(settings)
            return await self._run_turn(turn)

    async def _run_turn(self, turn: Turn) -> TurnResult:
        mark = await self._collector.record_mark()
        observed = ClientObservations()
        async with self._observe(turn, mark, observed) as (api_urls, observers):
            faults_injected = 0
            async with asyncio.TaskGroup() as group:
                injections = await self._schedule_faults(turn.faults, group, observed.history)
                posting = group.create_task(self._post_orders(turn, api_urls, observed, observers))
                for injection in injections:
                    faults_injected += await injection
                healed_at = await self._database_time()
                if turn.scenario.is_cancelled_at_end:
                    group.create_task(self._cancel_until(posting, api_urls, observed))
                await self._collector.await_orders_ended(mark, posting, ORDERS_TIMEOUT_S)
            snapshot = await self._collector.fetch_orders(mark, observed)
            await observers.read_at_end(mark.at)
        evidence = await self._collector.collect(
            mark, snapshot, observed, {"the stream": observed.stream, **observers.streams}
        )
        bound_s = recovery_bound_s(len(snapshot.rows), self._machine_s)
        if turn.scenario.has_waiting:  # until they expire, by a clock that may have been set
            bound_s += min(turn.scenario.wait_s, CLOCK_AHEAD_S)
        result = _build_result(
            turn, evidence, snapshot, observed, faults_injected, healed_at, bound_s
        )
        bounds = choose_bounds(ANSWER_S + self._machine_s)
        return replace(
            result, violations=[*result.violations, *check_history(observed.history, bounds)]
        )

    async def audit_all(
        self,
        mark: EvidenceMark,
        accepted: Mapping[str, frozenset[str]],
        cancels: CancelObservations,
    ) -> list[Violation]:
        """Audit all orders since a mark together, across turns."""
        snapshot = await fetch_orders(self._system.database_url, mark.at)
        observed = ClientObservations(cancels=cancels)
        for key, ids in accepted.items():
            observed.accepted[key] = set(ids)
        return audit(await self._collector.collect(mark, snapshot, observed, {}))

    @asynccontextmanager
    async def _observe(
        self, turn: Turn, mark: EvidenceMark, observed: ClientObservations
    ) -> AsyncIterator[tuple[Sequence[str], HistoryObservers]]:
        """Run a second API process, and observe both, for the length of a turn."""
        system, seed = self._system, f"{self._seed} {turn.number}"
        async with system.run_extra_api(SECOND_API) as second:
            urls = (system.api_url, second)
            observers = HistoryObservers(
                self._session, urls, system.database_url, observed.history, seed
            )
            async with (
                self._collector.record_stream(mark, observed),
                observers.run(mark.cursor),
            ):
                yield urls, observers

    async def _post_orders(
        self,
        turn: Turn,
        api_urls: Sequence[str],
        observed: ClientObservations,
        observers: HistoryObservers,
    ) -> None:
        cancel_random = Random(f"{self._seed} {turn.number} cancels")  # noqa: S311 - repeatable
        canceller = OrderCanceller(
            self._session, api_urls, turn.scenario.cancel_share, cancel_random, observed
        )
        build_body = await self._choose_bodies(turn)

        async def touch(order_id: str) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(canceller.maybe_cancel(order_id))
                group.create_task(observers.read_everywhere(order_id))

        async with asyncio.TaskGroup() as group:
            if turn.scenario.cancel_share:
                group.create_task(canceller.cancel_by_token(SWEEPS, turn.post_s))
            for n in range(1 if turn.scenario.is_burst else CLIENTS):
                name = f"{turn.number}-{turn.name}-{n}"
                random = Random(f"{self._seed} {name}")  # noqa: S311 - repeatable, not secret
                client = TrialClient(
                    *(self._session, self._system.api_url, name, random, observed),
                    build_body=build_body,
                    beside=touch,
                )
                if turn.scenario.is_burst:
                    group.create_task(client.post_batch(turn.orders))
                else:
                    orders = turn.orders // CLIENTS + (n < turn.orders % CLIENTS)
                    group.create_task(client.post_steadily(orders, turn.post_s))

    async def _cancel_until(
        self, posting: asyncio.Task[None], api_urls: Sequence[str], observed: ClientObservations
    ) -> None:
        """Cancel what still waits, until all that was posted has ended."""
        random = Random(self._seed)  # noqa: S311
        canceller = OrderCanceller(self._session, api_urls, 1, random, observed)
        while not posting.done():
            await canceller.cancel_sales(SOL)
            await asyncio.sleep(CANCEL_S)

    async def _choose_bodies(self, turn: Turn) -> Callable[[Random], Json]:
        if turn.scenario.is_sliced:
            return build_sliced_body
        if not turn.scenario.has_waiting:
            return build_order_body
        wait = timedelta(seconds=turn.post_s + turn.scenario.wait_s)
        expires_at = await self._database_time() + wait
        if turn.scenario.has_pairs:
            return PairBuilder(expires_at).build
        return partial(build_waiting_body, expires_at=expires_at)

    async def _schedule_faults(
        self, faults: Sequence[Fault], group: asyncio.TaskGroup, history: History
    ) -> list[asyncio.Task[bool]]:
        """Start a task for each fault; returns once the faults at time 0 are in effect."""
        tasks: list[asyncio.Task[bool]] = []
        initial: list[asyncio.Event] = []
        for fault in sorted(faults, key=lambda fault: fault.at_s):
            started = asyncio.Event()
            if fault.at_s:
                for event in initial:
                    await event.wait()
            else:
                initial.append(started)
            tasks.append(group.create_task(self._inject_at(fault, started, history)))
        for event in initial:
            await event.wait()
        return tasks

    async def _inject_at(self, fault: Fault, started: asyncio.Event, history: History) -> bool:
        await asyncio.sleep(fault.at_s)
        with history.record_fault() if fault.delays_answers else nullcontext():
            return await inject(self._system, fault, started)

    async def _database_time(self) -> datetime:
        return await fetch_database_time(self._system.database_url)


def _build_result(
    turn: Turn,
    evidence: Evidence,
    snapshot: DatabaseSnapshot,
    observed: ClientObservations,
    faults_injected: int,
    healed_at: datetime,
    bound_s: float,
) -> TurnResult:
    recovery_s = 0.0
    ends = (
        Status.CONFIRMED,
        Status.FAILED,
        *([Status.CANCELLED] if turn.scenario.cancel_share else []),
    )
    end_counts = dict.fromkeys(ends, 0)
    for order_id, ended_at in snapshot.ended_at.items():
        since = max(healed_at, snapshot.created_at[order_id])
        recovery_s = max(recovery_s, (ended_at - since).total_seconds())
        status = snapshot.rows[order_id].status
        end_counts[status] = end_counts.get(status, 0) + 1
    violations = audit(evidence)
    violations += find_unanswered(observed)
    if turn.scenario.has_waiting and not snapshot.releases:
        violations.append(Violation(ViolationKind.LOST, "no waiting order was ever released"))
    if recovery_s > bound_s:
        message = f"an order took {recovery_s:.1f} s after the last fault to end"
        violations.append(Violation(ViolationKind.STUCK, message))
    return TurnResult(
        turn.name,
        len(snapshot.rows),
        {status.value: count for status, count in end_counts.items()},
        len(turn.faults),
        faults_injected,
        violations,
        recovery_s,
        observed.errors,
        evidence.accepted,
        observed.cancels,
    )
