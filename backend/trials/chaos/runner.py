"""Playing one turn: orders are posted while strokes fall, and then everything is given its time
to end, looked at, and audited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.domain.tokens import SOL
from backend.trials.chaos import evidence as collect
from backend.trials.chaos.audit import Cell, Facts, Step, Violation, audit
from backend.trials.chaos.clients import Seen, Trader, cursor_now, watch
from backend.trials.chaos.evidence import Database, Mark
from backend.trials.chaos.faults import Stroke
from backend.trials.chaos.injection import strike
from backend.trials.chaos.schedule import Turn
from backend.trials.chaos.system import System
from backend.trials.chaos.timing import bound_s

TRADERS: Final = 4
LOOK_S: Final = 0.05
PATIENCE_S: Final = 45.0
"""How long orders get to end before they are called stuck."""
TOLD_S: Final = 10.0
"""How long subscribers then get to hear of it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a turn. ``struck`` counts the faults that took effect."""

    scenario: str
    orders: int
    ends: Mapping[str, int]
    planned: int
    struck: int
    violations: Sequence[Violation]
    recovery_s: float
    errors: int
    told: Mapping[str, frozenset[str]]

    def count(self, cell: Cell) -> int:
        """How many violations of one kind there are."""
        return sum(violation.cell is cell for violation in self.violations)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong, and what should have been broken was."""
        return not self.violations and self.struck == self.planned


class Stage:
    """Where turns are played: a running system, and a session for its clients."""

    def __init__(
        self, system: System, session: aiohttp.ClientSession, seed: int, machine_s: float
    ) -> None:
        self._system = system
        self._machine_s = machine_s
        self._session = session
        self._seed = seed

    async def mark(self) -> Mark:
        """From here on."""
        system = self._system
        _, newest = await collect.ledger(self._session, system.chain_url, 0)
        return Mark(
            await collect.now(system.database_url),
            newest,
            await cursor_now(self._session, system.api_url),
            await collect.wallet(system.chain_url),
        )

    async def play(self, turn: Turn) -> Result:
        """One turn, from its first order to its audit."""
        await self._system.set_workers(turn.settings)
        mark = await self.mark()
        seen = Seen()
        async with self._following(mark, seen):
            struck = 0
            async with asyncio.TaskGroup() as group:
                strokes = await self._arm(turn.strokes, group)
                trading = group.create_task(self._trade(turn, seen))
                for stroke in strokes:
                    struck += await stroke
                healed_at = await self._now()
                await self._end(mark, trading)
            database = await collect.database(self._system.database_url, mark.at)
            await _heard(seen, len(database.journal))
        facts = await self.facts(mark, database, seen, {"the stream": seen.stream})
        bound = bound_s(len(database.rows), self._machine_s)
        return _result(turn, facts, database, seen, struck, healed_at, bound)

    async def facts(
        self, mark: Mark, database: Database, seen: Seen, streams: dict[str, Sequence[Step]]
    ) -> Facts:
        """All that is known of the orders since a mark."""
        system, session = self._system, self._session
        entries, _ = await collect.ledger(session, system.chain_url, mark.ledger)
        wallet = await collect.wallet(system.chain_url)
        moved = {mint: held - mark.wallet[mint] for mint, held in wallet.items()}
        moved[SOL.mint] += await collect.fees(system.chain_url, entries)
        streams["the stream read again"] = await self._read_again(mark, len(database.journal))
        return Facts(
            told={key: frozenset(ids) for key, ids in seen.told.items()},
            rows=database.rows,
            journal=database.journal,
            signed=database.signed,
            swaps=collect.swaps(entries),
            followed=seen.followed,
            streams=streams,
            moved=moved,
        )

    async def audit_all(self, mark: Mark, told: Mapping[str, frozenset[str]]) -> list[Violation]:
        """The audit of everything since a mark, once more and all together."""
        database = await collect.database(self._system.database_url, mark.at)
        seen = Seen()
        for key, ids in told.items():
            seen.told[key] = set(ids)
        return audit(await self.facts(mark, database, seen, {}))

    async def _trade(self, turn: Turn, seen: Seen) -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(1 if turn.is_burst else TRADERS):
                name = f"{turn.number}-{turn.scenario}-{n}"
                random = Random(f"{self._seed} {name}")  # noqa: S311 - repeatable, not secret
                trader = Trader(self._session, self._system.api_url, name, random, seen)
                if turn.is_burst:
                    group.create_task(trader.trade_at_once(turn.orders))
                else:
                    orders = turn.orders // TRADERS + (n < turn.orders % TRADERS)
                    group.create_task(trader.trade(orders, turn.post_s))

    async def _arm(
        self, strokes: Sequence[Stroke], group: asyncio.TaskGroup
    ) -> list[asyncio.Task[bool]]:
        """Let the strokes fall in their time; those of the beginning are in effect already."""
        tasks: list[asyncio.Task[bool]] = []
        first: list[asyncio.Event] = []
        for stroke in sorted(strokes, key=lambda stroke: stroke.at_s):
            begun = asyncio.Event()
            if stroke.at_s:
                for event in first:
                    await event.wait()
            else:
                first.append(begun)
            tasks.append(group.create_task(self._strike(stroke, begun)))
        for event in first:
            await event.wait()
        return tasks

    async def _strike(self, stroke: Stroke, begun: asyncio.Event) -> bool:
        await asyncio.sleep(stroke.at_s)
        return await strike(self._system, stroke, begun)

    async def _now(self) -> datetime:
        return await collect.now(self._system.database_url)

    async def _end(self, mark: Mark, trading: asyncio.Task[None]) -> None:
        """Wait until all orders have ended and their followers know, or for long enough."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait([trading])
                is_open = True
                while is_open:
                    await asyncio.sleep(LOOK_S)
                    is_open = await collect.still_open(self._system.database_url, mark.at) > 0
        except TimeoutError:
            trading.cancel()

    @asynccontextmanager
    async def _following(self, mark: Mark, seen: Seen) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(
                watch(self._session, self._system.api_url, mark.cursor, seen.stream)
            )
            yield
            watching.cancel()

    async def _read_again(self, mark: Mark, events: int) -> list[Step]:
        told: list[Step] = []
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(
                watch(self._session, self._system.api_url, mark.cursor, told)
            )
            await _until_told(told, events)
            reading.cancel()
        return told


async def _heard(seen: Seen, events: int) -> None:
    await _until_told(seen.stream, events)


async def _until_told(told: Sequence[Step], events: int) -> None:
    try:
        async with asyncio.timeout(TOLD_S):
            while len(told) < events:  # noqa: ASYNC110 - the list is filled by somebody else
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        pass


def _result(
    turn: Turn,
    facts: Facts,
    database: Database,
    seen: Seen,
    struck: int,
    healed_at: datetime,
    within_s: float,
) -> Result:
    recovery_s = 0.0
    ends = dict.fromkeys((Status.CONFIRMED, Status.FAILED), 0)
    for order_id, ended_at in database.ended_at.items():
        since = max(healed_at, database.created_at[order_id])
        recovery_s = max(recovery_s, (ended_at - since).total_seconds())
        ends[database.rows[order_id].status] += 1
    violations = audit(facts)
    violations += [Violation(Cell.WRONG, f"refused: {what}") for what in seen.refused]
    answered = len(seen.told)
    if answered + len(seen.refused) < seen.asked:
        what = f"{seen.asked - answered} requests were never answered"
        violations.append(Violation(Cell.STUCK, what))
    if recovery_s > within_s:
        what = f"an order took {recovery_s:.1f} s after the last fault to end"
        violations.append(Violation(Cell.STUCK, what))
    return Result(
        turn.scenario,
        len(database.rows),
        {status.value: count for status, count in ends.items()},
        len(turn.strokes),
        struck,
        violations,
        recovery_s,
        seen.errors,
        facts.told,
    )
