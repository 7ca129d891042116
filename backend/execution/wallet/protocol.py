"""What the executor asks about a wallet."""

from __future__ import annotations

from typing import Protocol

from backend.chain.signing.signer import Signer
from backend.domain.orders import OrderTerms
from backend.routing.route import Route
from backend.store.wallets.spending import Spend


class Funds(Protocol):
    """What the executor asks about a wallet; ``load`` counts the transactions in flight here."""

    wallet: Signer | None
    load: int

    async def reserve(
        self, terms: OrderTerms, route: Route, fee_lamports: int | None = None
    ) -> Spend | None:
        """What a transaction takes, as the commit that stores it needs to know it.

        ``fee_lamports`` is its network fee; by default the most that one of the order may pay.
        ``None`` where nothing is reserved. Raises ``Unavailable`` if the balances cannot be read.
        """
        ...

    async def await_free(
        self, terms: OrderTerms, route: Route, fee_lamports: int | None, *, waits: bool
    ) -> None:
        """Wait until orders in flight leave what a route takes.

        Raises ``Rejected`` (``insufficient_funds``) if they never can, if they have not within
        ``RESERVED_WAIT_S``, or if the order never ``waits``; ``Unavailable`` as above.
        """
        ...

    def void_budgets(self) -> None:
        """Have every further transaction checked, until there are new budgets."""
        ...

    @property
    def is_short(self) -> bool:
        """Whether orders in flight had reserved just now what another one needed."""
        ...

    def mark_short(self) -> None:
        """Take note that they have."""
        ...

    def may_lack(self, terms: OrderTerms, route: Route) -> bool:
        """Whether the wallet seems to lack what a route takes, by the balances last read."""
        ...

    def opens_accounts(self, route: Route) -> bool:
        """Whether a token account has to be created for a route, by the balances last read."""
        ...

    async def require(self, terms: OrderTerms, route: Route) -> None:
        """Read the balances and raise ``Rejected`` (``insufficient_funds``) if they lack it.

        Raises ``Transient`` if they cannot be read.
        """
        ...

    def mark_changed(self) -> None:
        """Take note that a transaction of the wallet has landed."""
        ...


class UncheckedFunds:
    """Leaves the decision to the chain."""

    def __init__(self) -> None:
        self.wallet: Signer | None = None
        self.load = 0

    async def reserve(
        self, terms: OrderTerms, route: Route, fee_lamports: int | None = None
    ) -> Spend | None:
        """Nothing."""

    async def await_free(
        self, terms: OrderTerms, route: Route, fee_lamports: int | None, *, waits: bool
    ) -> None:
        """Wait for nothing."""

    def void_budgets(self) -> None:
        """Do nothing."""

    @property
    def is_short(self) -> bool:
        """Whether something is reserved: never."""
        return False

    def mark_short(self) -> None:
        """Do nothing."""

    def may_lack(self, terms: OrderTerms, route: Route) -> bool:
        """Whether the wallet seems to lack what a route takes: unknown, so no."""
        return False

    def opens_accounts(self, route: Route) -> bool:
        """Whether a token account has to be created: unknown, so no."""
        return False

    async def require(self, terms: OrderTerms, route: Route) -> None:
        """Raise nothing."""

    def mark_changed(self) -> None:
        """Do nothing."""
