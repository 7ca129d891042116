"""The watcher: releases waiting orders in the slot in which the market meets what they wait for.

One runs in every worker process, for the shards that it holds. It holds nothing that is not in the
rows: a process that dies loses its shards with their leases, and another loads their orders and
goes on. What begins to wait, or waits no more, comes by commit notifications; beneath them the
journal is read every second, and all ids are compared with the rows every minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from functools import partial
from random import Random
from time import monotonic
from typing import Any, Final
from uuid import UUID

from backend.domain.lifecycle import Status
from backend.runtime.commit_notifications import Commit, CommitObserver
from backend.store.feed import Feed, FeedPosition
from backend.store.waiting.market_peaks import MarketPeaks
from backend.store.waiting.waiting_orders import RaisedMark, WaitingOrders
from backend.triggers import observe_triggers
from backend.triggers.attempts import WatchPoint, attempt, ignore_point
from backend.triggers.directions.direction import Direction
from backend.triggers.markets import MarketReader, Markets
from backend.triggers.offers.best_recorder import BestMarketRecorder
from backend.triggers.peak_codec import encode_peaks
from backend.triggers.releases import OBSERVED_S_MAX, RETRY_S, Met, Releases
from backend.triggers.shards.shard_holder import ShardHolder
from backend.triggers.shards.shard_loader import ShardLoader
from backend.triggers.shares.share_sales import ShareSales
from backend.triggers.watched_orders import WatchedOrders

LOAD_MAX: Final = 5_000
"""Most orders that one statement loads."""
JUDGE_S: Final = 0.002
"""About how long pairs are judged before anything else runs."""
NEWS_S: Final = 1.0
COMPARE_S: Final = 60.0


class Watcher:
    """Watches the waiting orders of the shards that it holds; ``run`` must be running.

    ``on_point`` may end the process.
    """

    def __init__(
        self,
        *,
        holder: ShardHolder,
        shards: ShardLoader,
        watched: WatchedOrders,
        orders: WaitingOrders,
        peaks: MarketPeaks,
        feed: Feed,
        markets: MarketReader,
        releases: Releases,
        sales: ShareSales,
        listen: Callable[[CommitObserver], Coroutine[Any, Any, None]],
        random: Random,
        on_point: Callable[[WatchPoint], None] = ignore_point,
    ) -> None:
        self._holder = holder
        self._shards = shards
        self._watched = watched
        self._orders = orders
        self._peaks = peaks
        self._best = BestMarketRecorder(watched, peaks, holder.id)
        self._feed = feed
        self._markets = markets
        self._releases = releases
        self._sales = sales
        self._listen = partial(listen, self.receive_commit)
        self._random = random
        self._on_point = on_point
        self._news: set[UUID] = set()
        self._news_arrived = asyncio.Event()
        self._journal_moved = asyncio.Event()
        self._order_added = asyncio.Event()
        self._raised: dict[UUID, RaisedMark] = {}
        self._has_new_peaks: set[Direction] = set()
        self._judging = asyncio.Lock()
        self._is_first_load = self._is_first_judged = True

    async def run(self) -> None:
        """Watch until cancelled; then ``release_shards``."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._follow_journal())
            tasks.create_task(self._shards.hold())
            tasks.create_task(self._shards.load(self._tell_orders))
            tasks.create_task(self._add_news())
            tasks.create_task(self._watch_prices())
            tasks.create_task(self._compare())
            tasks.create_task(self._best.run())
            tasks.create_task(self._sales.run())
            for each in self._watched.apart:
                tasks.create_task(each.run())

    async def release_shards(self) -> None:
        """Release the shards, so that another process may have them at once."""
        await self._best.store()
        await self._shards.release_all()

    async def _watch_prices(self) -> None:
        while True:
            if self._watched.directions and not self._is_first_load:
                if self._is_first_judged:  # a fall counts only once the pools are known
                    self._is_first_judged = False
                    find = partial(self._markets.find_pools, self._watched.directions)
                    await attempt("find pools", find)
                judge = partial(self._judge, self._watched.take_due(), is_whole=True)
                await attempt("judge", judge)
                await self._markets.wait_for_slot()
            else:
                observe_triggers.markets_forgotten()
                self._order_added.clear()
                await self._order_added.wait()

    async def _judge(self, directions: Collection[Direction], *, is_whole: bool = False) -> None:
        """Judge the orders of some directions by their markets, now, and release those met.

        ``is_whole``: of all that are due.
        """
        async with self._judging:
            markets = await self._markets.read(directions)
            read_at = monotonic()
            met = await self._find_met(markets)
            if is_whole:
                observe_triggers.markets_judged(markets.current_slot, monotonic() - read_at)
            try:
                await self._release(met, read_at)
            finally:
                observe_triggers.waiting_orders(len(self._watched))
                await self._store_marks()
            if not self._watched.directions:
                observe_triggers.markets_forgotten()

    async def _find_met(self, markets: Markets) -> list[Met]:
        met: list[Met] = []
        started_at = monotonic()
        for direction, market in markets.by_direction.items():
            book = self._watched.get_book(direction)
            if book is None:
                continue
            try:
                update = book.find_met(market, markets.current_slot)
            except Exception as error:  # noqa: BLE001 - the other pairs are judged all the same
                observe_triggers.watch_failed("judge a pair", error)
                until = asyncio.get_running_loop().time() + RETRY_S
                self._watched.cool_down_lost(direction, until)
                continue
            # Before anything else runs: it may be amended, and come back with its new terms.
            now = asyncio.get_running_loop().time()
            met += [Met(each, self._watched.take_met(each.order.id, now)) for each in update.met]
            for order in update.raised:
                if order.state.high_water is not None:
                    mark = RaisedMark(order.id, order.state.high_water, market.slot)
                    self._raised[order.id] = mark
            if update.has_new_peaks:
                self._has_new_peaks.add(direction)
            self._best.add(direction, market, markets.current_slot)
            if monotonic() - started_at >= JUDGE_S:
                # Under load a turn of the loop takes longer than that: not after every pair.
                await asyncio.sleep(0)
                started_at = monotonic()
        return met

    async def _release(self, met: Sequence[Met], read_at: float) -> None:
        met = self._sales.take(met, read_at)
        if not met:
            return
        seqs = {each.order.order.id: each.order.order.seq for each in met}
        ids = set(seqs)
        try:
            if monotonic() - read_at < OBSERVED_S_MAX:
                ids = await self._releases.release(met)
        finally:
            # Refused, in doubt or too late: what waits still is loaded again.
            until = asyncio.get_running_loop().time() + RETRY_S
            for order_id in ids:
                self._watched.cool_down(order_id, seqs[order_id], until)

    async def _store_marks(self) -> None:
        """Store the marks that rose in this slot; what cannot be stored now goes with the next."""
        if self._raised or self._has_new_peaks:
            self._on_point(WatchPoint.MARKS_RAISED)
        marks = list(self._raised.values())
        await self._orders.raise_high_waters(marks)
        for mark in marks:
            if self._raised.get(mark.id) is mark:
                del self._raised[mark.id]
        changed = set(self._has_new_peaks)
        books = {each.peaks_key: self._watched.get_book(each) for each in changed}
        stored = {key: encode_peaks(book.peaks) for key, book in books.items() if book is not None}
        await self._peaks.store(self._holder.id, stored)
        self._has_new_peaks -= changed

    def receive_commit(self, commit: Commit) -> None:
        """Take what a commit tells of orders that wait, or wait no more."""
        if commit.events is None:
            self._journal_moved.set()
            return
        for event in commit.events:
            if event.status is Status.WAITING:
                self._news.add(event.order_id)
                self._news_arrived.set()
            elif event.order_id in self._watched:
                self._watched.remove(event.order_id, event.seq)

    async def _follow_journal(self) -> None:
        position: FeedPosition | None = None
        while True:
            try:
                if position is None:
                    position = await self._feed.read_head()
                position, news = await self._orders.read_news(position)
                unknown = [each for each in news.items() if not self._watched.knows(*each)]
                self._add_to_news(order_id for order_id, _ in unknown)
            except Exception as error:  # noqa: BLE001 - the next round may succeed after any error
                observe_triggers.watch_failed("read news", error)
            self._add_to_news(self._watched.take_cooled(asyncio.get_running_loop().time()))
            self._journal_moved.clear()
            try:
                async with asyncio.timeout(NEWS_S):
                    await self._journal_moved.wait()
            except TimeoutError:
                continue

    def _add_to_news(self, order_ids: Iterable[UUID]) -> None:
        self._news.update(order_ids)
        if self._news:
            self._news_arrived.set()

    async def _add_news(self) -> None:
        while True:
            await self._news_arrived.wait()
            self._news_arrived.clear()
            news = list(self._news)[:LOAD_MAX]
            self._news.difference_update(news)
            if self._news:
                self._news_arrived.set()
            if not self._watched.shards or not news:
                continue
            try:
                records = await self._orders.load(news)
            except Exception as error:  # noqa: BLE001 - the next round may succeed after any error
                observe_triggers.watch_failed("load news", error)
                await asyncio.sleep(NEWS_S)
                self._add_to_news(news)
                continue
            added = self._watched.add(records, asyncio.get_running_loop().time())
            self._tell_orders()
            if added:
                await attempt("judge", partial(self._judge, added))

    def _tell_orders(self) -> None:
        """Tell that orders were added; while the first are loaded, none is judged."""
        self._is_first_load = self._is_first_load and self._shards.is_loading
        observe_triggers.waiting_orders(len(self._watched))
        self._order_added.set()

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(COMPARE_S * self._random.uniform(0.9, 1.1))
            await attempt("compare", self.compare)

    async def compare(self) -> None:
        """Compare all ids with the rows. What neither a notification nor the journal told is rare.

        Raises ``DATABASE_ERRORS``.
        """
        before = set(self._watched)
        stored = await self._orders.list_ids(sorted(self._watched.shards))
        now = set(self._watched)
        # What changed during the read is none of its business.
        missing, extra = stored - before - now, before & now - stored
        if missing or extra:
            observe_triggers.differences_found(len(missing), len(extra))
        for order_id in extra:
            self._watched.remove(order_id)
        self._add_to_news(missing)
        async with self._judging:  # else peaks that are stored meanwhile would be lost
            if not self._shards.is_loading:
                dropped = [each.peaks_key for each in self._watched.drop_empty_books()]
                await self._peaks.forget(self._holder.id, dropped)
