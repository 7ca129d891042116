"""Runs the schedule of a seed: trouble, healing, quiet, and the audit of what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from tests.simulation.audit import audit, longest_s
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Fault, Fork, Plan, Spell, Strike, Trouble, plan_of
from tests.simulation.troubles import set_trouble
from tests.simulation.world import World

STOP_S = 30.0
"""How long workers may take to stop, once everything is healthy."""
AFTERWARDS_S = 10_000.0
"""How long transactions that are on their way have to land after everything else is over."""
BURIALS_MAX = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a schedule. ``problems`` begin with the name of the promise that was broken."""

    seed: int
    plan: Plan
    world: World
    healed_at: float
    """When everything was healthy, by the database's clock."""
    recovered_s: float
    """From then until the last order had ended."""
    problems: tuple[str, ...]

    def report(self) -> Iterator[str]:
        """What was broken, and all that led there."""
        yield from self.problems
        yield f"{self.plan.terms}"
        yield f"{self.plan.rules}"
        yield from self.world.trace.lines()


def simulate(seed: int, plan: Plan | None = None) -> Outcome:
    """Run one schedule from its beginning to its audit: the seed's own, or a given one."""
    loop = VirtualLoop()
    try:
        with _silence():
            return _Schedule(plan or plan_of(seed), seed, loop).run()
    finally:
        loop.close()


class _Schedule:
    def __init__(self, plan: Plan, seed: int, loop: VirtualLoop) -> None:
        self._plan = plan
        self._seed = seed
        self._loop = loop
        self._world = World(plan, seed, loop)
        self._ended = asyncio.Event()
        self._healed_at = 0.0

    def run(self) -> Outcome:
        loop, world = self._loop, self._world
        loop.set_exception_handler(self._broken)
        world.server.changed = self._look
        for place in world.places:
            world.start(place)
        ended_at = loop.run_until_complete(self._live())
        world.chain.advance(loop.time() + AFTERWARDS_S)
        self._clear_away()
        plan, healed_at = self._plan, self._plan.clock.at(self._healed_at)
        audited = audit(plan, world.database, world.chain, healed_at)
        problems = (*world.problems, *world.witness.problems, *audited)
        recovered_s = max(ended_at - self._healed_at, 0)
        return Outcome(self._seed, plan, world, healed_at, recovered_s, problems)

    async def _live(self) -> float:
        """From the first order to the last worker; returns when the last order had ended."""
        world, loop = self._world, self._loop
        orders = [(at, UUID(int=(self._seed << 16) + n)) for n, at in enumerate(self._plan.orders)]
        happenings: list[tuple[float, UUID | Fault]] = [*orders]
        happenings += [(fault.at, fault) for fault in self._plan.faults]
        for at, what in sorted(happenings, key=lambda happening: happening[0]):
            await asyncio.sleep(at - loop.time())
            if isinstance(what, UUID):
                await world.accept(what)
            else:
                self._befall(what)
        await asyncio.sleep(self._plan.heal_at - loop.time())
        self._heal()
        try:
            async with asyncio.timeout(longest_s(self._plan)):
                await self._ended.wait()
        except TimeoutError:
            world.trace.note("world", "waits no longer")
        ended_at = loop.time()
        await self._stop()
        return ended_at

    def _befall(self, fault: Fault) -> None:
        match fault:
            case Spell():
                self._world.trace.note("world", "begins:", fault.trouble, fault.strength)
                set_trouble(self._world, fault.trouble, fault.strength)
                self._loop.call_later(fault.lasts_s, self._end, fault)
            case Strike():
                self._world.strike(fault)
            case Fork():
                self._world.chain.fork(self._loop.time(), fault.blocks)

    def _end(self, spell: Spell) -> None:
        self._world.trace.note("world", "ends:", spell.trouble)
        set_trouble(self._world, spell.trouble, 0)

    def _heal(self) -> None:
        world = self._world
        world.trace.note("world", "heals")
        for trouble in Trouble:
            set_trouble(world, trouble, 0)
        self._healed_at = self._loop.time()
        world.make_healthy()
        self._look()

    def _look(self) -> None:
        """Whether it is over: everything is healthy, and every order has ended."""
        world = self._world
        if world.is_healthy and not any(row.open for row in world.database.rows.values()):
            self._ended.set()

    async def _stop(self) -> None:
        """Stop the workers as they are stopped every day."""
        world = self._world
        world.is_closing = True
        for place in world.places:
            if place.worker is not None:
                place.worker.stop()
        try:
            async with asyncio.timeout(STOP_S):
                while any(place.worker is not None for place in world.places):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            names = [place.process.name for place in world.places if place.worker is not None]
            world.problems.append(f"broken: {', '.join(names)} did not stop")

    def _clear_away(self) -> None:
        """End every task that is left, so that nothing of this schedule runs later."""
        world, loop = self._world, self._loop
        world.end()
        for process in world.processes:
            process.go_on(loop)
        for _ in range(BURIALS_MAX):
            left = [task for each in world.processes for task in each.tasks if not task.done()]
            if not left:
                return
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        raise AssertionError(f"these do not end: {left}")

    def _broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if not self._world.is_over:
            error = context.get("exception")
            self._world.problems.append(f"broken: {context['message']}: {error!r}")


@contextmanager
def _silence() -> Iterator[None]:
    """Nobody reads the logs of thousands of engines."""
    config = structlog.get_config()
    taskiq = logging.getLogger("taskiq")
    level = taskiq.level
    taskiq.setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**config)
        taskiq.setLevel(level)
