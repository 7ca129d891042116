"""The jobs of orders that are released together: one owner gets a bounded number of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import cast
from uuid import UUID

import pytest

from backend.domain.conditions import INITIAL_STATE, Launch
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.tokens import JUP, SOL, USDC
from backend.domain.waiting.guards import Guards
from backend.routing.launches.launched_pools import LaunchedPool, LaunchedPoolReader, Verdict
from backend.routing.pool_finder import FoundPool, MintPair, PoolFinder, PoolQuery
from backend.store.waiting.waiting_orders import (
    MetTrigger,
    WaitingNote,
    WaitingOrders,
    WaitingRecord,
)
from backend.triggers import releases
from backend.triggers.launches import launch_watcher
from backend.triggers.launches.launch_watcher import LaunchWatcher
from backend.triggers.releases import ReleasedOrder, send_jobs
from backend.venues import CPMM
from tests import pools

MANY, FEW = "many", "few"


class Jobs:
    """What was sent: the jobs of each owner, and who was announced."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[str, str] | None, list[UUID]]] = []
        self.announced: Counter[str] = Counter()

    async def send(
        self, owner: str, order_ids: Sequence[UUID], *, pair: tuple[str, str] | None = None
    ) -> None:
        self.sent.append((owner, pair, [*order_ids]))

    def announce(self, owner: str) -> None:
        self.announced[owner] += 1

    def count(self, owner: str) -> int:
        return sum(len(ids) for each, _, ids in self.sent if each == owner)


async def test_the_orders_of_an_owner_and_a_pair_go_together() -> None:
    jobs, sent = Jobs(), Counter[str]()
    one, two, three, four = (UUID(int=number) for number in range(4))
    orders = [
        ReleasedOrder(one, MANY, SOL, USDC),
        ReleasedOrder(two, FEW, SOL, USDC),
        ReleasedOrder(three, MANY, SOL, USDC),
        ReleasedOrder(four, MANY, SOL, JUP),
    ]
    await send_jobs(jobs, orders, sent)
    assert jobs.sent == [
        (MANY, ("SOL", "USDC"), [one, three]),
        (FEW, ("SOL", "USDC"), [two]),
        (MANY, ("SOL", "JUP"), [four]),
    ]
    assert sent == {MANY: 3, FEW: 1}


async def test_an_owner_that_got_enough_jobs_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "JOBS_MAX", 2)
    jobs, sent = Jobs(), Counter[str]()
    for number in range(4):
        await send_jobs(jobs, [ReleasedOrder(UUID(int=number), MANY, SOL, USDC)], sent)
    await send_jobs(jobs, [ReleasedOrder(UUID(int=9), FEW, SOL, USDC)], sent)
    assert (jobs.count(MANY), jobs.count(FEW)) == (2, 1)
    assert jobs.announced == {MANY: 2}


class Store:
    """Rows of which each is released."""

    def __init__(self) -> None:
        self.released: list[UUID] = []

    async def release(self, triggers: Sequence[MetTrigger]) -> Collection[UUID]:
        self.released += [each.id for each in triggers]
        return {each.id for each in triggers}

    async def note(self, notes: Sequence[WaitingNote]) -> None:
        return


class Slots:
    async def wait_for_slot(self) -> None:
        await asyncio.sleep(0)


class Launches:
    """A finder and a reader of one pool for each pair."""

    def list_queries(self, pair: MintPair) -> Iterator[PoolQuery]:
        return iter(())

    def list_pools(self, pair: MintPair) -> list[FoundPool]:
        return [FoundPool(CPMM.derive_pool_address(*pair), CPMM, pair)]

    def forget(self, pair: MintPair) -> None:
        return

    async def load(self, pairs: Iterable[MintPair]) -> None:
        return

    def __contains__(self, pool: FoundPool) -> bool:
        return True

    async def discover(self, found: Iterable[FoundPool]) -> list[FoundPool]:
        return []

    async def read(self, found: Iterable[FoundPool]) -> list[LaunchedPool]:
        return [LaunchedPool(each, pools.make_cpmm_pool(), {}) for each in found]


def find_passing(terms: OrderTerms, launched: LaunchedPool) -> Verdict:
    return Verdict(launched.pool.quote(pools.SOL, terms.amount_in), ())


async def test_a_launch_that_meets_many_orders_of_an_owner_announces_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(releases, "JOBS_MAX", 4)
    monkeypatch.setattr(launch_watcher, "RELEASES_MAX", 2)
    monkeypatch.setattr(launch_watcher, "judge", find_passing)
    launches, store, jobs = Launches(), Store(), Jobs()
    watcher = LaunchWatcher(
        cast(WaitingOrders, store),
        jobs,
        Slots(),
        cast(PoolFinder, launches),
        cast(LaunchedPoolReader, launches),
        None,
        pace_s=60,
    )
    condition = Launch(Guards())
    terms = OrderTerms(OrderType.SNIPER, SOL, USDC, 10**6, None, 50, condition=condition)
    owners = [MANY] * 9 + [FEW]
    for number, owner in enumerate(owners):
        ids = UUID(int=number), owner
        record = WaitingRecord(*ids, terms, condition, INITIAL_STATE, False, 2, None, 0.0, None)
        watcher.add(record, 0, 0.0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watcher.run())
        while not jobs.count(FEW):
            await asyncio.sleep(0.001)
        watching.cancel()
    assert len(store.released) == len(owners)
    assert (jobs.count(MANY), jobs.count(FEW)) == (4, 1)
    assert set(jobs.announced) == {MANY}
