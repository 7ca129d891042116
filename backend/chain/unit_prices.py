"""The prices of compute units that transactions have paid lately, by the accounts they lock."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.fees.order_fees import OrderFees, follows_market

AGE_MAX_S: Final = 30.0
"""A price that is older says nothing."""
_ACCOUNTS_MAX: Final = 4_096


class _Price(NamedTuple):
    price: int
    told_at: float


class UnitPrices:
    """Knows what it was told, in micro-lamports; ``least`` is the price of all other accounts.

    ``is_auto`` if orders pay what recent blocks have charged, unless they say otherwise. What signs
    transactions tells that price: nobody asks a node for it.
    """

    def __init__(self, least: int, *, is_auto: bool = False) -> None:
        self._least = least
        self._is_auto = is_auto
        self._prices: OrderedDict[Pubkey, _Price] = OrderedDict()

    def tell(self, accounts: Iterable[Pubkey], price: int) -> None:
        """Take note of what a transaction pays that locks these accounts."""
        told = _Price(price, asyncio.get_running_loop().time())
        for account in accounts:
            self._prices[account] = told
            self._prices.move_to_end(account)
        while len(self._prices) > _ACCOUNTS_MAX:
            self._prices.popitem(last=False)

    def find(self, accounts: Iterable[Pubkey], fees: OrderFees | None) -> int:
        """What another unit costs an order that locks some accounts: the highest price known.

        An order that tells its priority fee pays that for any number of units.
        """
        if fees is not None and fees.fixed_priority_fee is not None:
            return 0
        if not self._prices or not follows_market(fees, is_auto=self._is_auto):
            return self._least
        known = (self._prices.get(each) for each in accounts)
        since = asyncio.get_running_loop().time() - AGE_MAX_S
        prices = (each.price for each in known if each is not None and each.told_at >= since)
        return max(self._least, *prices, 0)
