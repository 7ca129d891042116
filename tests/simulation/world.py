"""The world of one schedule: servers, and workers that are killed, stopped and replaced."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import cast
from uuid import UUID

from backend.execution.context import Point
from backend.queue.broker import StreamBroker
from backend.queue.jobs import Jobs
from tests.simulation.audit import Witness
from tests.simulation.chain import Chain, Transaction
from tests.simulation.database import Database
from tests.simulation.jobs import Broker, Queue
from tests.simulation.loop import PROCESS, Process, VirtualLoop
from tests.simulation.market import TERMS, Market, Offers, unheard
from tests.simulation.network import Way, Weather
from tests.simulation.node import Load, Node
from tests.simulation.plan import Blow, Plan, Strike
from tests.simulation.postgres import Server
from tests.simulation.trace import Trace
from tests.simulation.worker import Outside, Worker

VENUES_S = 0.5


@dataclass(slots=True)
class Place:
    """A place for a worker, and whoever has it now."""

    number: int
    process: Process
    worker: Worker | None = None
    generation: int = 0
    strike: Strike | None = None
    """What is to befall it at a point."""


class World:
    """Everything there is in one schedule. It must be made inside of its loop."""

    def __init__(self, plan: Plan, seed: int, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.problems: list[str] = []
        self.trace = Trace(loop.time)
        self.database = Database()
        self.server = Server(self.database, plan.clock, self._random(seed, "server"), self.trace)
        self.chain = Chain(plan.rules, self._random(seed, "chain"))
        self.chain.told = self._told
        self.chain.mood.refused = plan.refused
        self.chain.mood.lands_within_s = plan.lands_within_s
        self.node_weather = Weather(slowest_s=0.03)
        self.node_load = Load()
        self.venues_weather = Weather(slowest_s=0.2)
        self.offers = Offers(refused=plan.refused)
        self.queue = Queue(self._random(seed, "queue"), self.trace)
        self.witness = Witness(self.chain, self.database, loop.time)
        self.places = [Place(n, Process("nobody")) for n in range(plan.workers)]
        self.processes: list[Process] = []
        self.is_healthy = False
        self.is_closing = False
        """Workers that end have no successors."""
        self.is_over = False
        self._seed = seed
        self._client = Broker(self.queue, Process("client"))

    def start(self, place: Place) -> None:
        """A new worker in a place."""
        place.generation += 1
        name = f"{'ABC'[place.number]}{place.generation}"
        process = place.process = Process(name)
        self.processes.append(process)
        random = self._random(self._seed, name)
        worker = place.worker = Worker(self.plan.terms, self._outside(place, process, random))
        context = copy_context()
        context.run(PROCESS.set, process)
        self.trace.note(name, "starts")
        life = self.loop.create_task(worker.run(), context=context)
        life.add_done_callback(partial(self._ended, place, process))

    def strike(self, strike: Strike) -> None:
        """Let a blow fall, or prepare it for the next time that its point is reached."""
        place = self.places[strike.worker]
        if strike.point is None:
            place.process.after_steps(strike.steps, partial(self._hit, place, strike))
        else:
            place.strike = strike

    async def accept(self, order_id: UUID) -> None:
        """Take an order as the API does: store it, and send its job."""
        plan = self.plan
        self.chain.expect(order_id, plan.terms.attempts_max)
        self.database.accept(self.server.now(), order_id, TERMS, plan.terms.rekick_s)
        self.trace.note("client", "posts", order_id)
        await Jobs(cast(StreamBroker, self._client)).send([order_id], by="intake")

    def make_healthy(self) -> None:
        """No blow falls any more; every place has a worker that runs."""
        self.is_healthy = True
        for place in self.places:
            place.strike = None
            place.process.after_steps(-1, lambda: None)
            if place.process.is_dead:
                self.start(place)
            else:
                place.process.go_on(self.loop)

    def end(self) -> None:
        """Nothing gets through any more."""
        self.is_over = True
        self.queue.is_closed = True
        for weather in (self.server.weather, self.node_weather, self.venues_weather):
            weather.is_over = True

    def _outside(self, place: Place, process: Process, random: Random) -> Outside:
        now = self.loop.time
        venues = Way(self.venues_weather, random, unheard, patience_s=VENUES_S)
        return Outside(
            pool=self.server.pool(process.name, random),
            node=Node(self.chain, self.node_weather, self.node_load, random, now),
            market=Market(venues, self.offers, random),
            broker=Broker(self.queue, process),
            random=random,
            reached=partial(self._reached, place, process),
            failed=partial(self._failed, process),
        )

    def _failed(self, process: Process, error: Exception) -> None:
        self.problems.append(f"broken: a job of {process} failed with {error!r}")

    def _reached(self, place: Place, process: Process, point: Point) -> None:
        strike = place.strike
        if strike is not None and strike.point is point and place.process is process:
            place.strike = None
            process.after_steps(strike.steps, partial(self._hit, place, strike))

    def _hit(self, place: Place, strike: Strike) -> None:
        process = place.process
        if self.is_healthy or process.is_dead:
            return
        self.trace.note(process.name, f"is hit: {strike.blow}")
        match strike.blow:
            case Blow.KILL:
                self._bury(place, process)
                self._later(strike.lasts_s, partial(self._replace, place, process))
            case Blow.PAUSE:
                process.stop()
                self._later(strike.lasts_s, partial(self._go_on, process))
            case Blow.STOP:
                if place.worker is not None:
                    place.worker.stop()

    def _ended(self, place: Place, process: Process, life: asyncio.Task[None]) -> None:
        if process.is_dead or self.is_over:
            return
        error = None if life.cancelled() else life.exception()
        self.trace.note(process.name, "ends", error or "")
        if error is not None:
            self.problems.append(f"broken: worker {process.name} ended with {error!r}")
        elif self.plan.is_kept_well and (left := self.database.held_by(process.name)):
            self.problems.append(f"left: {process.name} has stopped and still holds {left}")
        self._bury(place, process)
        if not self.is_closing:
            self._later(0 if self.is_healthy else 1, partial(self._replace, place, process))

    def _bury(self, place: Place, process: Process) -> None:
        process.kill()
        self.queue.leave(process)
        place.worker = None

    def _replace(self, place: Place, process: Process) -> None:
        if place.process is process:
            self.start(place)

    def _go_on(self, process: Process) -> None:
        if not process.is_dead:
            self.trace.note(process.name, "goes on")
            process.go_on(self.loop)

    def _later(self, seconds: float, do: partial[None]) -> None:
        self.loop.call_later(seconds, do)

    def _told(self, what: str, transaction: Transaction) -> None:
        name = f"{transaction.signature[:6]} of attempt {transaction.attempt} {what}"
        self.trace.note("chain", transaction.order_id, name)
        if what in ("arrives", "comes again"):
            self.witness.sent(transaction)

    def _random(self, seed: int, what: str) -> Random:
        return Random(f"{seed} {what}")
