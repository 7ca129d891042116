"""The price that a transaction pays for a compute unit, by what recent blocks have charged.

The prices of the accounts that a swap locks are read from the node, remembered for the pools of a
route, and read again in the background: only the first transaction of a route waits for them. A
node that does not tell them costs no order its attempt: the fixed price is paid. An order may say
what its transactions pay instead, and the most that they may.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.compute_budget import UNIT_LIMIT_MAX, ComputeBudget
from backend.chain.swap_instructions import SwapInstructions
from backend.domain.amounts import ceil_div
from backend.domain.errors import EngineError
from backend.domain.fees.order_fees import MICROLAMPORTS, SIGNATURE_FEE, OrderFees, follows_market
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
    """Which percentile of recent prices is paid, and how each further attempt raises it.

    ``is_auto`` if orders pay it that do not say otherwise; ``ceiling_lamports`` is the most.
    """

    percentile: int = 90
    factor: float = 1.5
    ceiling_lamports: int = 1_000_000
    is_auto: bool = True


@dataclass(slots=True)
class _RoutePrice:
    price: int | None = None
    read_at: float = float("-inf")
    failed_at: float = float("-inf")
    reading: asyncio.Future[None] | None = None


def _tell_nobody(accounts: Sequence[Pubkey], price: int) -> None:
    """Do nothing."""


class PriorityFees:
    """Chooses what transactions pay; ``budget`` has the fixed price, which is the least.

    ``on_price`` is called with accounts and the price that locking them costs, whenever it is read.
    """

    def __init__(
        self,
        fetch: FetchFees,
        budget: ComputeBudget,
        policy: FeePolicy,
        *,
        on_price: Callable[[Sequence[Pubkey], int], None] = _tell_nobody,
    ) -> None:
        self._on_price = on_price
        self._fetch = fetch
        self._budget = budget
        self._policy = policy
        self._prices: OrderedDict[tuple[Pubkey, ...], _RoutePrice] = OrderedDict()

    async def choose_budget(
        self, instructions: SwapInstructions, attempt: int, asked: OrderFees | None = None
    ) -> ComputeBudget:
        """Choose the price of an attempt, the first of which is 1, with its ceiling.

        ``asked`` is what the order says of its fees. The limit of the budget is not chosen here.
        """
        most = asked.max_fee - SIGNATURE_FEE if asked is not None and asked.max_fee else None
        fixed = self._find_fixed(asked)
        if fixed is not None:
            ceiling = _find_lower(fixed, most)
            return replace(
                self._budget, unit_price=ceiling * MICROLAMPORTS, ceiling_lamports=ceiling
            )
        if not follows_market(asked, is_auto=self._policy.is_auto):
            return self._budget if most is None else replace(self._budget, ceiling_lamports=most)
        recent = await self._get_price(instructions)
        if recent is None:
            recent = self._budget.unit_price
        raised = ceil(recent * self._policy.factor ** min(attempt - 1, _RAISES_MAX))
        price = max(raised, self._budget.unit_price)
        ceiling = _find_lower(self._policy.ceiling_lamports, most)
        return replace(self._budget, unit_price=price, ceiling_lamports=ceiling)

    def compute_least(self, unit_limit: int, asked: OrderFees | None) -> int:
        """The lamports that a transaction with a limit pays at least as its network fee."""
        fixed = self._find_fixed(asked)
        if fixed is not None:
            return SIGNATURE_FEE + fixed
        return SIGNATURE_FEE + ceil_div(unit_limit * self._budget.unit_price, MICROLAMPORTS)

    def _find_fixed(self, asked: OrderFees | None) -> int | None:
        """The priority fee that an order tells, in lamports, as far as the settings permit it."""
        fixed = None if asked is None else asked.fixed_priority_fee
        return None if fixed is None else min(fixed, self._policy.ceiling_lamports)

    def compute_most_units(self, asked: OrderFees | None) -> int:
        """The highest limit of units that an order's maximum permits at the fixed price."""
        price = 0 if self._find_fixed(asked) is not None else self._budget.unit_price
        if asked is None or asked.max_fee is None or not price:
            return UNIT_LIMIT_MAX
        return min((asked.max_fee - SIGNATURE_FEE) * MICROLAMPORTS // price, UNIT_LIMIT_MAX)

    async def _get_price(self, instructions: SwapInstructions) -> int | None:
        locked = instructions.list_locked_accounts()[:_ACCOUNTS_MAX]
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
            self._tell(locked, route.price)
            route.read_at = asyncio.get_running_loop().time()
        finally:
            route.reading = None

    def _tell(self, locked: Sequence[Pubkey], recent: int) -> None:
        price = max(recent, self._budget.unit_price)
        budget = replace(
            self._budget, unit_price=price, ceiling_lamports=self._policy.ceiling_lamports
        )
        self._on_price(locked, budget.get_price(budget.unit_limit))


def _find_lower(ceiling: int, most: int | None) -> int:
    return ceiling if most is None else min(ceiling, most)
