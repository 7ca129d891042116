"""Posts orders while the network is broken in one way after the other, and audits all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from backend.chain.wallet import create_paper_wallet
from backend.trials.audit.clients import ClientObservations, TrialClient
from backend.trials.audit.collector import EvidenceCollector, TrialAddresses, find_unanswered
from backend.trials.audit.evidence import DatabaseSnapshot, fetch_database_time
from backend.trials.audit.records import Violation
from backend.trials.audit.rules import audit
from backend.trials.hosts.faults import TURN_NAMES, Link, LinkFault, Turn, plan_turns
from backend.trials.hosts.system import API_KEY, OUTSIDE, ROLES, HostSystem

CLIENTS: Final = 4
TIMEOUT_S: Final = 180.0
"""How long orders may take to end once the network is whole again."""
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
    violations: Sequence[Violation]


async def run_orders(
    data_dir: Path,
    orders: int,
    *,
    rate: float,
    turn_s: float,
    seed: int,
    names: Sequence[str] = TURN_NAMES,
) -> HostsResult:
    """Run orders over four hosts, whose network has faults of these names.

    Raises ``EngineError`` where that is not possible.
    """
    (data_dir / "logs").mkdir(mode=0o700)
    system = HostSystem(data_dir, seed)
    observed, turns = ClientObservations(), Counter[str]()
    random = Random(f"{seed} faults")  # noqa: S311 - repeatable, not secret
    headers = {"X-API-Key": API_KEY}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        system.run(),
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
    ):
        wallet = create_paper_wallet().address
        addresses = TrialAddresses(system.database_url, system.chain_url, system.api_url, wallet)
        collector = EvidenceCollector(addresses, session)
        mark = await collector.record_mark()
        async with collector.record_stream(mark, observed), asyncio.TaskGroup() as group:
            posting = group.create_task(_post(session, system, observed, orders, rate, seed))
            planned = plan_turns(names, _HOSTS, [OUTSIDE], random)
            faults = group.create_task(
                _break_network(system, planned, turn_s, turns, posting, len(names))
            )
            await asyncio.wait([faults])
            healed_at = await fetch_database_time(system.database_url)
            await collector.await_orders_ended(mark, posting, TIMEOUT_S, needs_amounts=True)
            snapshot = await collector.fetch_orders(mark, observed)
        evidence = await collector.collect(
            mark, snapshot, observed, {"the stream": observed.stream}, needs_amounts=True
        )
    violations = [*audit(evidence), *find_unanswered(observed)]
    ended = max(snapshot.ended_at.values(), default=healed_at)
    recovery_s = max(0.0, (ended - healed_at).total_seconds())
    return HostsResult(_count_ends(snapshot), turns, recovery_s, observed.errors, violations)


def _count_ends(snapshot: DatabaseSnapshot) -> Counter[str]:
    return Counter(str(row.status) for row in snapshot.rows.values())


async def _post(
    session: aiohttp.ClientSession,
    system: HostSystem,
    observed: ClientObservations,
    orders: int,
    rate: float,
    seed: int,
) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            random = Random(f"{seed} client {number}")  # noqa: S311 - repeatable, not secret
            client = TrialClient(session, system.api_url, f"client-{number}", random, observed)
            count = orders // CLIENTS + (number < orders % CLIENTS)
            group.create_task(client.post_steadily(count, orders / rate))


async def _break_network(
    system: HostSystem,
    planned: Iterator[Turn],
    turn_s: float,
    turns: Counter[str],
    posting: asyncio.Task[None],
    turns_min: int,
) -> None:
    """Break the network, and heal it after each turn, as long as orders are posted."""
    for turn in planned:
        if posting.done() and turns.total() >= turns_min:
            return
        await _play(system, turn, turn_s)
        turns[turn.name] += 1
        await asyncio.sleep(turn_s)


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
