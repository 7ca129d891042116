"""Looks for pools of the pairs that somebody waits for, at a bounded pace for all pairs together.

Where the node has a WebSocket, it is subscribed to what the programs own, by the mints. After each
subscription, and after each that was lost, a query fills the gap; without one, queries take turns.
The addresses that the venues derive from two mints are looked at whatever the node lists. The pairs
take turns; one with a pool that was just found comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.chain.rpc.results import read_program_account
from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.chain.wire import Commitment
from backend.domain.errors import Rejected, Transient
from backend.routing.launches.launched_pools import LaunchedPoolReader
from backend.routing.pool_finder import MintPair, PoolFinder, PoolQuery
from backend.routing.subscribed_pools import NodeNotifications
from backend.triggers import observe_triggers
from backend.triggers.attempts import attempt
from backend.venues.venue import Account

QUERY_S: Final = 2.0
"""A query is not repeated sooner."""
VERIFY_S: Final = 30.0
"""A query of what is subscribed to is repeated after this time: a notification may be lost."""
REFUSED_S: Final = 60.0
"""So long a node is not asked again that does not list what programs own."""
SUBSCRIPTIONS_MAX: Final = 200
"""Most subscriptions for this, four a pair: other pairs are found by queries."""
DERIVED_PAIRS_MAX: Final = 25
"""Pairs whose derived addresses are looked at together."""


class _Told(NamedTuple):
    """An account that the node has told of, and the query that it answers."""

    pair: MintPair
    query: PoolQuery
    slot: int
    account: Account


class _Search:
    """A query with its subscription; ``due_at`` is when it is to be asked, by the loop's clock."""

    __slots__ = ("due_at", "is_confirmed", "pair", "query", "subscription")

    def __init__(self, pair: MintPair, query: PoolQuery) -> None:
        self.pair = pair
        self.query = query
        self.due_at = 0.0
        self.is_confirmed = False
        self.subscription: Subscription | None = None


class PoolWatch:
    """Finds the pools of the pairs that are watched; ``run`` must be running.

    ``pace_s`` is the time between two queries, of all pairs. ``on_found`` is called with the pairs
    that have a pool which was not known.
    """

    def __init__(
        self,
        finder: PoolFinder,
        reader: LaunchedPoolReader,
        notifications: NodeNotifications | None,
        *,
        pace_s: float,
        on_found: Callable[[Collection[MintPair]], None],
    ) -> None:
        self._finder = finder
        self._reader = reader
        self._notifications = notifications
        self._pace_s = pace_s
        self._on_found = on_found
        self._searches: dict[MintPair, list[_Search]] = {}
        self._new: list[MintPair] = []
        self._told: dict[Pubkey, _Told] = {}
        self._turns: list[MintPair] = []
        self._refused_until = 0.0
        self._subscribed = 0
        self._changed = asyncio.Event()

    def watch(self, pair: MintPair) -> None:
        """Watch a pair from now on."""
        if pair not in self._searches:
            searches = [_Search(pair, query) for query in self._finder.list_queries(pair)]
            self._searches[pair] = searches
            self._new.append(pair)
            self._changed.set()

    def unwatch(self, pair: MintPair) -> None:
        """Watch a pair no more."""
        for search in self._searches.pop(pair, ()):
            self._unsubscribe(search)
        self._finder.forget(pair)

    async def run(self) -> None:
        """Look for pools until cancelled."""
        while True:
            self._changed.clear()
            if not self._searches:
                await self._changed.wait()
            await attempt("find pools", self.look)
            try:
                async with asyncio.timeout(self._pace_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Take what was told, look at some derived addresses, and ask one query that is due.

        Raises ``Transient``, ``Rejected``.
        """
        if self._new:
            new, self._new = self._new, []
            try:
                await self._finder.load(new)
            except Transient:
                self._new += new
                raise
        await self._take_told()
        await self._discover()
        if (search := self._take_due()) is not None:
            await self._ask(search)

    async def _take_told(self) -> None:
        while self._told:
            address, each = next(iter(self._told.items()))
            told = {address: each.account}
            if await self._finder.add(each.pair, each.query.venue, told, each.slot):
                self._put_first(each.pair)
            self._told.pop(address, None)

    def _put_first(self, pair: MintPair) -> None:
        """Have a pair take the next turn."""
        self._turns = [pair, *(each for each in self._turns if each != pair)]

    async def _discover(self) -> None:
        """Look at the addresses of the next pairs: what is there now, that was not there before."""
        self._turns = [each for each in self._turns if each in self._searches]
        if not self._turns:
            self._turns = list(self._searches)
        pairs, self._turns = self._turns[:DERIVED_PAIRS_MAX], self._turns[DERIVED_PAIRS_MAX:]
        pools = {pool: pair for pair in pairs for pool in self._finder.list_pools(pair)}
        if found := await self._reader.discover(pools):
            observe_triggers.pools_found(len(found))
            self._on_found({pools[pool] for pool in found})

    def _take_due(self) -> _Search | None:
        now = asyncio.get_running_loop().time()
        searches = [each for of_pair in self._searches.values() for each in of_pair]
        for search in searches:
            self._subscribe(search)
        if now < self._refused_until or not searches:
            return None
        search = min(searches, key=lambda each: each.due_at)
        return search if search.due_at <= now else None

    async def _ask(self, search: _Search) -> None:
        loop = asyncio.get_running_loop()
        search.due_at = loop.time() + (VERIFY_S if search.is_confirmed else QUERY_S)
        try:
            if await self._finder.query(search.pair, search.query):
                self._put_first(search.pair)
                self._changed.set()  # it is discovered in the next look
        except Rejected as error:
            self._refused_until = loop.time() + REFUSED_S
            observe_triggers.pools_not_listed(error.reason)

    def _subscribe(self, search: _Search) -> None:
        """Subscribe to what a query lists, unless that is done or not possible now."""
        if self._notifications is None:
            return
        if search.subscription is not None:
            if not search.subscription.is_refused:
                return
            self._forget_subscription(search)
        if self._subscribed >= SUBSCRIPTIONS_MAX:
            return
        options = {
            "encoding": "base64",
            "commitment": Commitment.CONFIRMED,
            "filters": search.query.filters,
        }
        subscription = Subscription(
            SubscriptionKind.PROGRAM,
            [str(search.query.venue.program), options],
            partial(self._receive, search),
            on_confirmed=partial(self._fill_gap, search, is_confirmed=True),
            on_lost=partial(self._fill_gap, search, is_confirmed=False),
        )
        if self._notifications.add(subscription):
            search.subscription = subscription
            self._subscribed += 1

    def _unsubscribe(self, search: _Search) -> None:
        if self._notifications is not None and search.subscription is not None:
            self._notifications.remove(search.subscription)
            self._forget_subscription(search)

    def _forget_subscription(self, search: _Search) -> None:
        search.subscription = None
        self._subscribed -= 1

    def _fill_gap(self, search: _Search, *, is_confirmed: bool) -> None:
        """Ask at once: what came to be while nothing was subscribed to, nobody tells."""
        search.is_confirmed = is_confirmed
        search.due_at = 0.0
        self._changed.set()

    def _receive(self, search: _Search, result: Any) -> None:
        address, account = read_program_account(result["value"])
        slot = int(result["context"]["slot"])
        self._told[address] = _Told(search.pair, search.query, slot, account)
        self._changed.set()
