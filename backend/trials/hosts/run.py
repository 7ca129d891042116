"""Posts orders while the network is broken in one way after the other, and audits all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from backend.chain.wallet import create_paper_wallet
from backend.trials.audit.clients import TrialClient
from backend.trials.audit.collector import TrialAddresses
from backend.trials.audit.evidence import fetch_database_time
from backend.trials.audit.history.observed_run import ObservedRun, RunBounds
from backend.trials.audit.history.operations import History
from backend.trials.audit.history.rules import HistorySummary
from backend.trials.audit.records import Violation
from backend.trials.hosts.faults import TURN_NAMES, Link, LinkFault, Turn, plan_turns
from backend.trials.hosts.system import API_KEY, OUTSIDE, ROLES, HostSystem

CLIENTS: Final = 4
TIMEOUT_S: Final = 180.0
"""How long orders may take to end once the network is whole again."""
ANSWER_S: Final = 8.0
"""How long a request may wait without a fault: the kernel sends again ever later what was lost."""
_HOSTS: Final = tuple(ROLES)


@dataclass(frozen=True, slots=True)
class HostsResult:
    """What became of orders: how many ended how, and what is wrong.

    ``turns`` counts the faults by their names; the last order ended ``recovery_s`` after the last
    fault.
    """

    ends: Counter[str]
    turns: Counter[str]
    recovery_s: float
    repeats: int
    history: HistorySummary
    violations: Sequence[Violation]


async def run_orders(
    data_dir: Path,
    orders: int,
    *,
    rate: float,
    turn_s: float,
    machine_s: float,
    seed: int,
    names: Sequence[str] = TURN_NAMES,
) -> HostsResult:
    """Run orders over four hosts, whose network has faults of these names.

    A busy machine may add ``machine_s`` to an answer.
    Raises ``EngineError`` where that is not possible.
    """
    (data_dir / "logs").mkdir(mode=0o700)
    system = HostSystem(data_dir, seed)
    connector, headers = aiohttp.TCPConnector(limit=0), {"X-API-Key": API_KEY}
    async with (
        system.run(),
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
    ):
        wallet = create_paper_wallet().address
        addresses = TrialAddresses(system.database_url, system.chain_url, system.api_url, wallet)
        bounds = RunBounds(ANSWER_S + machine_s, TIMEOUT_S)
        run = ObservedRun(session, addresses, system.process_urls, bounds, seed)
        clients = _list_clients(session, system, run, seed)
        network = _Network(system, run.observed.history, turn_s)

        async def play(group: asyncio.TaskGroup) -> asyncio.Task[None]:
            posting = group.create_task(_post(clients, orders, orders / rate))
            random = Random(f"{seed} faults")  # noqa: S311 - repeatable, not secret
            planned = plan_turns(names, _HOSTS, [OUTSIDE], random)
            await network.break_while(posting, planned, len(names))
            return posting

        found = await run.run(play)
    ended = max(found.snapshot.ended_at.values(), default=network.healed_at)
    recovery_s = max(0.0, (ended - network.healed_at).total_seconds())
    return HostsResult(
        *(found.count_ends(), network.turns, recovery_s),
        *(run.observed.errors, found.history, found.violations),
    )


def _list_clients(
    session: aiohttp.ClientSession, system: HostSystem, run: ObservedRun, seed: int
) -> list[TrialClient]:
    return [
        TrialClient(
            *(session, system.api_url, f"client-{number}"),
            Random(f"{seed} client {number}"),  # noqa: S311 - repeatable, not secret
            run.observed,
            beside=run.observers.read_everywhere,
        )
        for number in range(CLIENTS)
    ]


async def _post(clients: Sequence[TrialClient], orders: int, duration_s: float) -> None:
    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            count = orders // len(clients) + (number < orders % len(clients))
            group.create_task(client.post_steadily(count, duration_s))


class _Network:
    """The network of a run: ``turns`` counts its faults by name, after the last it is whole."""

    def __init__(self, system: HostSystem, history: History, turn_s: float) -> None:
        self._system = system
        self._history = history
        self._turn_s = turn_s
        self.turns = Counter[str]()
        self.healed_at = datetime.max.replace(tzinfo=UTC)

    async def break_while(
        self, posting: asyncio.Task[None], planned: Iterator[Turn], turns_min: int
    ) -> None:
        """Break it, and heal it after each turn, as long as orders are posted."""
        for turn in planned:
            if posting.done() and self.turns.total() >= turns_min:
                break
            with self._history.record_fault():
                await _play(self._system, turn, self._turn_s)
            self.turns[turn.name] += 1
            await asyncio.sleep(self._turn_s)
        self.healed_at = await fetch_database_time(self._system.database_url)


async def _play(system: HostSystem, turn: Turn, turn_s: float) -> None:
    if turn.lost_host is not None:
        await system.lose_host(turn.lost_host)
        await asyncio.sleep(turn_s)
        await system.start_host(turn.lost_host)
        return
    broken: list[Sequence[Link]] = []
    for links in turn.steps:
        broken.append(links)
        system.set_faults(_name_faults(broken, turn.fault))
        await asyncio.sleep(turn_s / len(turn.steps))
    for index in turn.healed:
        broken[index] = ()
        system.set_faults(_name_faults(broken, turn.fault))
        if len(turn.healed) > 1:
            await asyncio.sleep(turn_s / len(turn.healed))


def _name_faults(broken: Sequence[Sequence[Link]], fault: LinkFault) -> Mapping[Link, LinkFault]:
    return {link: fault for links in broken for link in links}
