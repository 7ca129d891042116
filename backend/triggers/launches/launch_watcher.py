"""Releases sniper orders once a pool of their pair is open and passes their guards.

It runs in the process that holds the shard of an order. A release is the compare-and-set of every
waiting order: an order is released once, whoever else believes to watch it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import orjson

from backend.chain.subscriptions.client import NodeSubscriptions
from backend.domain.conditions import Condition, Launch
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Quote, best_quote
from backend.routing.launches.launched_pools import LaunchedPool, LaunchedPoolReader, Verdict, judge
from backend.routing.pool_finder import FoundPool, MintPair, PoolFinder
from backend.store.waiting.waiting_orders import (
    MetTrigger,
    WaitingNote,
    WaitingOrders,
    WaitingRecord,
)
from backend.triggers import observe_triggers
from backend.triggers.attempts import attempt
from backend.triggers.launches.pool_watch import PoolWatch
from backend.triggers.launches.sniper_orders import SniperOrder, SniperOrders
from backend.triggers.orders_apart import LATEST
from backend.triggers.releases import (
    OBSERVED_S_MAX,
    RELEASES_MAX,
    RETRY_S,
    JobSender,
    ReleasedOrder,
    send_jobs,
)

YIELD_EVERY_ORDERS: Final = 50
_REASON_LENGTH_MAX: Final = 500


class SlotWaiter(Protocol):
    """Tells the slots in which pools are read."""

    async def wait_for_slot(self) -> None:
        """Return in the next slot."""
        ...


class _Due(NamedTuple):
    """The orders of a pair that are due, and its pools."""

    orders: Sequence[SniperOrder]
    pools: Sequence[FoundPool]


class _Met(NamedTuple):
    """An order and the quote of the pool that passes."""

    order: SniperOrder
    quote: Quote


class LaunchWatcher:
    """Watches the pools that sniper orders wait for; ``run`` must be running.

    ``pace_s`` is the time between two queries for pools.
    """

    def __init__(
        self,
        orders: WaitingOrders,
        jobs: JobSender,
        slots: SlotWaiter,
        finder: PoolFinder,
        reader: LaunchedPoolReader,
        notifications: NodeSubscriptions | None,
        *,
        pace_s: float,
    ) -> None:
        self._store = orders
        self._jobs = jobs
        self._slots = slots
        self._finder = finder
        self._reader = reader
        self._orders = SniperOrders()
        self._added = asyncio.Event()
        self._pools = PoolWatch(
            finder, reader, notifications, pace_s=pace_s, on_found=self._take_found
        )

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._orders

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._orders)

    def knows(self, order_id: UUID, seq: int) -> bool:
        """Whether an order is watched as of its row with this ``seq``, or a later one."""
        return self._orders.knows(order_id, seq)

    def takes(self, condition: Condition) -> bool:
        """Whether an order with this condition belongs here."""
        return isinstance(condition, Launch)

    def add(self, record: WaitingRecord, shard: int, now: float) -> None:
        """Watch an order from now on; a newer record of it replaces an older one."""
        order = self._orders.add(record, shard)
        if order is not None:
            order.look_at = now + record.cool_down_s if record.cool_down_s else 0.0
            self._pools.watch(order.pair)
            self._added.set()

    def remove(self, order_id: UUID, seq: int = LATEST) -> None:
        """Watch an order no more, unless what is known of it is newer than ``seq``."""
        order = self._orders.remove(order_id, seq)
        if order is not None and order.pair not in self._orders.pairs:
            self._pools.unwatch(order.pair)

    def drop_shards(self, shards: Collection[int]) -> None:
        """Watch the orders of these shards no more."""
        for order_id in self._orders.list_of_shards(shards):
            self.remove(order_id)

    def _take_found(self, pairs: Collection[MintPair]) -> None:
        """Judge the orders of pairs that have a new pool, whatever they were told of others."""
        self._orders.look_again(pairs)
        self._added.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pools.run())
            tasks.create_task(self._judge_slots())

    async def _judge_slots(self) -> None:
        while True:
            self._added.clear()
            due = self._list_due()
            if not due:
                await self._wait_added()
                continue
            await attempt("judge launches", partial(self._judge, due))
            await self._slots.wait_for_slot()

    async def _wait_added(self) -> None:
        """Wait for an order or a pool; orders that are left alone are due later."""
        try:
            async with asyncio.timeout(RETRY_S if len(self._orders) else None):
                await self._added.wait()
        except TimeoutError:
            return

    def _list_due(self) -> list[_Due]:
        """The orders that are due and whose pair has a pool."""
        now = asyncio.get_running_loop().time()
        due: list[_Due] = []
        for pair, orders in self._orders.list_due(now).items():
            pools = [each for each in self._finder.list_pools(pair) if each in self._reader]
            if pools:
                due.append(_Due(orders, pools))
        return due

    async def _judge(self, due: Sequence[_Due]) -> None:
        """Judge orders by the pools of their pairs, and release those they suit.

        Raises what the node's reader raises, and ``DATABASE_ERRORS``.
        """
        found: defaultdict[MintPair, list[LaunchedPool]] = defaultdict(list)
        for pool in await self._reader.read(pool for each in due for pool in each.pools):
            found[pool.found.pair].append(pool)
        read_at = monotonic()
        met: list[_Met] = []
        notes: list[WaitingNote] = []
        for judged, order in enumerate((order for each in due for order in each.orders), 1):
            self._judge_order(order, found[order.pair], met, notes)
            if judged % YIELD_EVERY_ORDERS == 0:
                await asyncio.sleep(0)
        if monotonic() - read_at < OBSERVED_S_MAX:
            sent: Counter[str] = Counter()
            for at in range(0, len(met), RELEASES_MAX):
                await self._release(met[at : at + RELEASES_MAX], sent)
        await self._store.note(notes)

    def _judge_order(
        self,
        order: SniperOrder,
        pools: Sequence[LaunchedPool],
        met: list[_Met],
        notes: list[WaitingNote],
    ) -> None:
        verdicts = [(each, judge(order.terms, each)) for each in pools]
        quotes = [verdict.quote for _, verdict in verdicts if verdict.quote is not None]
        if quotes:
            quote = best_quote(quotes)
            if order.pass_pool(quote.slot):
                met.append(_Met(order, quote))
            return
        now = asyncio.get_running_loop().time()
        order.fail(now, is_opening=any(verdict.is_closed for _, verdict in verdicts))
        reason = _describe_reasons(verdicts)
        if order.take_note(reason, now):
            notes.append(WaitingNote(order.id, order.seq, reason))

    async def _release(self, met: Sequence[_Met], sent: Counter[str]) -> None:
        triggers = [
            MetTrigger(each.order.id, each.order.seq, each.order.owner, _describe(each))
            for each in met
        ]
        released = await self._store.release(triggers)
        observe_triggers.orders_released(len(released), len(met) - len(released))
        orders = []
        for order in (each.order for each in met):
            if order.id in released:
                self.remove(order.id)
                tokens = order.terms.token_in, order.terms.token_out
                orders.append(ReleasedOrder(order.id, order.owner, *tokens))
        await send_jobs(self._jobs, orders, sent)
        await self._reload([each.order for each in met if each.order.id not in released])

    async def _reload(self, refused: Sequence[SniperOrder]) -> None:
        """Take what has become of orders that were not released; the others are left alone."""
        if not refused:
            return
        records = {record.id: record for record in await self._store.load([o.id for o in refused])}
        now = asyncio.get_running_loop().time()
        for order in refused:
            record = records.get(order.id)
            if record is None:
                self.remove(order.id)
                continue
            order.look_at = now + RETRY_S
            self.add(record, order.shard, now)


def _describe(met: _Met) -> str:
    """The event of a release: the pool that was found, what it pays, and when that was seen."""
    terms, quote = met.order.terms, met.quote
    decimals = terms.token_in.decimals, terms.token_out.decimals
    price = PriceRatio(quote.amount_out, quote.amount_in).format(*decimals, terms.price_of)
    data = {
        "executablePrice": price,
        "slot": quote.slot,
        "dex": quote.dex.value,
        "pool": quote.pool,
    }
    return orjson.dumps(data).decode()


def _describe_reasons(verdicts: Sequence[tuple[LaunchedPool, Verdict]]) -> str:
    """Why no pool suits, each with its address; what changes in every slot is not in it."""
    reasons = [
        f"{pool.found.venue.dex} {pool.found.address}: {', '.join(verdict.reasons)}"
        for pool, verdict in verdicts
    ]
    return "; ".join(reasons)[:_REASON_LENGTH_MAX]
