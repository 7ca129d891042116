"""The wallets that orders are paid from: which one an order gets, and that it stays with it.

Transactions of one fee payer follow each other on chain, those of several land side by side. An
order that nobody has signed for gets the wallet that holds what it takes and has the fewest
transactions in flight. From its first transaction on it stays with that wallet, whatever happens to
the process. An order that sells a share of what is held sells that of the first wallet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from backend.domain.orders import LeasedOrder
from backend.execution.wallet.protocol import Funds
from backend.routing.route import Route


class Wallets:
    """The funds of the wallets, the first of which is the main one."""

    def __init__(self, funds: Sequence[Funds]) -> None:
        assert funds, "there is a wallet"
        self.main: Final = funds[0]
        self._all = funds
        self._chosen: Counter[int] = Counter()
        """How often each was chosen."""
        self._by_address = {
            str(each.wallet.address): each for each in funds if each.wallet is not None
        }

    def __iter__(self) -> Iterator[Funds]:
        return iter(self._all)

    def find(self, address: str | None) -> Funds:
        """The funds of the wallet with an address; those of the main one if it is not known."""
        return self.main if address is None else self._by_address.get(address, self.main)

    def choose(self, order: LeasedOrder, route: Route) -> Funds:
        """The wallet that pays for an order with a route that nobody has signed for yet."""
        if len(self._all) == 1:
            return self.main
        if order.wallet is not None and order.wallet in self._by_address:
            return self._by_address[order.wallet]
        if order.terms.amount_in_bps is not None:
            return self.main
        chosen = min(self._all, key=lambda each: self._rank(each, order, route))
        self._chosen[id(chosen)] += 1
        return chosen

    def list_others(self, order: LeasedOrder, chosen: Funds) -> list[Funds]:
        """The wallets that could pay for an order instead of the one that was chosen."""
        is_bound = order.wallet is not None and order.wallet in self._by_address
        if is_bound or order.terms.amount_in_bps is not None:
            return []
        return [each for each in self._all if each is not chosen]

    @contextmanager
    def count(self, order: LeasedOrder) -> Iterator[None]:
        """Count an order's transaction as in flight during a block."""
        funds = self.find(order.wallet)
        funds.load += 1
        try:
            yield
        finally:
            funds.load -= 1

    def _rank(self, funds: Funds, order: LeasedOrder, route: Route) -> tuple[bool, bool, int, int]:
        # Orders that come together are all chosen for before the first one is in flight.
        is_lacking, chosen = funds.may_lack(order.terms, route), self._chosen[id(funds)]
        return is_lacking, funds.is_short, funds.load, chosen
