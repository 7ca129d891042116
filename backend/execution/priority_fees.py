"""The price that a transaction pays for a compute unit, by what recent blocks have charged.

The prices of the accounts that a swap locks are read from the node, remembered for the pools of a
route, and read again in the background: only the first transaction of a route waits for them. A
node that does not tell them costs no order its attempt: the fixed price is paid.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.transactions import ComputeBudget, SwapParameters, list_locked_accounts
from backend.domain.errors import EngineError
from backend.runtime import observe
from backend.runtime.background import shield

SLOTS: Final = 25
"""How many of the last blocks count: older prices say little about the next block."""
MAX_AGE_S: Final = 0.4
"""A slot: prices that are older are read again in the background."""
WAIT_AGE_S: Final = 30.0
"""Prices that are older are not paid: the transaction waits for new ones."""
WAIT_MAX_S: Final = 1.0
FAILED_S: Final = 10.0
"""So long a node that did not tell the prices of a route is not asked for them again."""
_RAISES_MAX: Final = 20
"""An order that is tried more often pays no more for that."""
_ROUTES_MAX: Final = 512
_ACCOUNTS_MAX: Final = 128
"""Most accounts in one call, by the protocol."""

FetchFees = Callable[[Sequence[Pubkey]], Awaitable[Sequence[int]]]
"""Fetches the prices of recent blocks for accounts, in micro-lamports, the newest last."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Which percentile of recent prices is paid, and how each further attempt raises it."""

    percentile: int
    factor: float


@dataclass(slots=True)
class _RoutePrice:
    price: int | None = None
    read_at: float = float("-inf")
    failed_at: float = float("-inf")
    reading: asyncio.Future[None] | None = None


class PriorityFees:
    """Chooses compute budgets; ``budget`` has the least price and the ceiling."""

    def __init__(self, fetch: FetchFees, budget: ComputeBudget, policy: FeePolicy) -> None:
        self._fetch = fetch
        self._budget = budget
        self._policy = policy
        self._prices: OrderedDict[tuple[Pubkey, ...], _RoutePrice] = OrderedDict()

    async def choose_budget(self, swap: SwapParameters, attempt: int) -> ComputeBudget:
        """Choose the budget of an attempt, the first of which is 1."""
        recent = await self._get_price(swap)
        if recent is None:
            recent = self._budget.unit_price
        raised = ceil(recent * self._policy.factor ** min(attempt - 1, _RAISES_MAX))
        return replace(self._budget, unit_price=max(raised, self._budget.unit_price))

    async def _get_price(self, swap: SwapParameters) -> int | None:
        locked = list_locked_accounts(swap)[:_ACCOUNTS_MAX]
        route = self._find_route(locked)
        now = asyncio.get_running_loop().time()
        age_s, may_read = now - route.read_at, now - route.failed_at > FAILED_S
        if age_s > MAX_AGE_S and route.reading is None and may_read:
            route.reading = shield(self._read(locked, route))
        if age_s > WAIT_AGE_S:
            route.price = None
        if age_s > WAIT_AGE_S and route.reading is not None:
            await asyncio.wait({route.reading}, timeout=WAIT_MAX_S)
        return route.price

    def _find_route(self, locked: tuple[Pubkey, ...]) -> _RoutePrice:
        route = self._prices.get(locked)
        if route is None:
            route = self._prices[locked] = _RoutePrice()
            if len(self._prices) > _ROUTES_MAX:
                self._prices.popitem(last=False)
        else:
            self._prices.move_to_end(locked)
        return route

    async def _read(self, locked: Sequence[Pubkey], route: _RoutePrice) -> None:
        try:
            prices = sorted((await self._fetch(locked))[-SLOTS:])
        except EngineError as error:
            observe.chain_query_failed("read priority fees", error)
            route.failed_at = asyncio.get_running_loop().time()
        else:
            place = ceil(len(prices) * self._policy.percentile / 100) - 1
            route.price = prices[place] if prices else 0
            route.read_at = asyncio.get_running_loop().time()
        finally:
            route.reading = None
