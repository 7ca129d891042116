"""Posts orders while an earlier version is replaced, process by process, and audits all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import aiohttp

from backend.chain.wallet import create_paper_wallet
from backend.store.migrations import migrate
from backend.trials.audit.canceller import OrderCanceller
from backend.trials.audit.clients import Json, TrialClient, build_order_body
from backend.trials.audit.collector import TrialAddresses
from backend.trials.audit.evidence import fetch_database_time
from backend.trials.audit.history.observed_run import ObservedRun, RunBounds
from backend.trials.audit.history.operations import History
from backend.trials.audit.history.rules import HistorySummary
from backend.trials.audit.records import Violation
from backend.trials.audit.sliced_bodies import build_sliced_body
from backend.trials.audit.waiting_rules import build_waiting_body
from backend.trials.upgrades.earlier_version import install_earlier
from backend.trials.upgrades.system import UpgradeSystem

ANSWER_S: Final = 8.0
TIMEOUT_S: Final = 120.0
CANCEL_SHARE: Final = 0.1
WAIT_S: Final = 60.0
"""How long orders wait for a price after the last was to be posted: processes start slowly."""
_STEPS_BEFORE: Final = 6
"""Parts of the posting time that are not of a replacement, each of which has one too."""


class UpgradePlan(NamedTuple):
    """What to run: orders, and how many a second, on so many API processes, and workers.

    A busy machine may add ``machine_s`` to an answer.
    """

    orders: int
    rate: float
    seed: int
    machine_s: float
    processes: int
    market_only: bool
    goes_back: bool

    @property
    def duration_s(self) -> float:
        """How long orders are posted."""
        return self.orders / self.rate

    @property
    def pause_s(self) -> float:
        """How long it is from one step to the next."""
        replacements = 2 * self.processes * (2 if self.goes_back else 1)
        return self.duration_s / (_STEPS_BEFORE + replacements)


@dataclass(frozen=True, slots=True)
class UpgradeResult:
    """What became of orders, and what is wrong.

    ``migrations`` were applied while the earlier ``revision`` ran; ``longest_start_s`` is the
    longest from the stop of a process to the readiness of the one in its place.
    """

    revision: str
    migrations: Sequence[str]
    ends: Counter[str]
    repeats: int
    longest_start_s: float
    history: HistorySummary
    violations: Sequence[Violation]


async def run_orders(data_dir: Path, revision: str | None, plan: UpgradePlan) -> UpgradeResult:
    """Run orders, and replace a revision by this version meanwhile.

    Raises ``EngineError`` if there is no such revision, or nothing starts.
    """
    earlier = install_earlier(revision, data_dir / "earlier")
    system = UpgradeSystem(data_dir, earlier, plan.processes)
    connector = aiohttp.TCPConnector(limit=0)
    async with system.run(), aiohttp.ClientSession(connector=connector) as session:
        urls, wallet = system.api_urls, create_paper_wallet().address
        addresses = TrialAddresses(system.database_url, system.chain_url, urls[0], wallet)
        bounds = RunBounds(ANSWER_S + plan.machine_s, TIMEOUT_S)
        run = ObservedRun(session, addresses, urls, bounds, plan.seed)
        load = _Load(session, system, run, plan)
        upgrade = _Upgrade(system, run.observed.history, plan)

        async def play(group: asyncio.TaskGroup) -> asyncio.Task[None]:
            posting = group.create_task(load.post())
            await upgrade.run()
            return posting

        found = await run.run(play)
    return UpgradeResult(
        *(earlier.revision, upgrade.migrations, found.count_ends(), run.observed.errors),
        upgrade.longest_start_s,
        found.history,
        found.violations,
    )


class _Load:
    """Clients that place and cancel orders of all kinds at both API processes."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        system: UpgradeSystem,
        run: ObservedRun,
        plan: UpgradePlan,
    ) -> None:
        self._session = session
        self._system = system
        self._run = run
        self._plan = plan
        random = Random(f"{plan.seed} cancels")  # noqa: S311 - repeatable, not secret
        share = 0 if plan.market_only else CANCEL_SHARE
        self._canceller = OrderCanceller(session, system.api_urls, share, random, run.observed)

    async def post(self) -> None:
        """Post orders at a steady rate; what waits for a price expires long after the last."""
        plan = self._plan
        now = await fetch_database_time(self._system.database_url)
        expires_at = now + timedelta(seconds=plan.duration_s + WAIT_S)
        draw_body = partial(_draw_body, expires_at=expires_at)
        async with asyncio.TaskGroup() as group:
            for number, url in enumerate(self._system.api_urls):
                client = TrialClient(
                    *(self._session, url, f"client-{number}"),
                    Random(f"{plan.seed} client {number}"),  # noqa: S311 - as above
                    self._run.observed,
                    build_body=build_order_body if plan.market_only else draw_body,
                    beside=self._touch,
                )
                group.create_task(
                    client.post_steadily(plan.orders // plan.processes, plan.duration_s)
                )

    async def _touch(self, order_id: str) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._canceller.maybe_cancel(order_id))
            group.create_task(self._run.observers.read_everywhere(order_id))


class _Upgrade:
    """The steps of an upgrade, ``pause_s`` apart."""

    def __init__(self, system: UpgradeSystem, history: History, plan: UpgradePlan) -> None:
        self._system = system
        self._history = history
        self._pause_s = plan.pause_s
        self._goes_back = plan.goes_back
        self.migrations: Sequence[str] = ()
        self.longest_start_s = 0.0

    async def run(self) -> None:
        """Migrate, then replace the workers, then the API processes, one by one.

        In between one of each, of the earlier version, is started again on the new schema, as it
        is after a crash.
        """
        system = self._system
        await asyncio.sleep(2 * self._pause_s)
        self.migrations = await migrate(system.database_url, on_applied=lambda _: None)
        await asyncio.sleep(self._pause_s)
        for name in (system.workers[-1], system.apis[-1]):
            with self._history.record_fault(system.find_url(name)):
                await system.kill(name)
                await system.start_earlier(name)
        await asyncio.sleep(self._pause_s)
        for name in (*system.workers, *system.apis):
            await self._replace(name, system.upgrade)
        for name in reversed((*system.workers, *system.apis)) if self._goes_back else ():
            await self._replace(name, system.start_earlier)

    async def _replace(self, name: str, start: Callable[[str], Awaitable[None]]) -> None:
        now = asyncio.get_running_loop().time
        began_at = now()
        with self._history.record_fault(self._system.find_url(name)):
            await start(name)
        self.longest_start_s = max(self.longest_start_s, now() - began_at)
        await asyncio.sleep(self._pause_s)


def _draw_body(random: Random, *, expires_at: datetime) -> Json:
    draw = random.random()
    if draw < 0.05:
        return build_sliced_body(random)
    if draw < 0.2:
        return build_waiting_body(random, expires_at=expires_at)
    return build_order_body(random)
