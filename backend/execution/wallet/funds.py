"""The check before signing: does the wallet hold what an order takes, with fees, rent and reserve?

The balances may be older than the order. So a shortage counts only after they were read again, and
an order that passes may still fail: the chain has the last word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from solders.pubkey import Pubkey

from backend.chain.costs import WALLET_RENT
from backend.domain.amounts import Token, format_amount
from backend.domain.errors import Rejected
from backend.domain.orders import OrderTerms
from backend.domain.tokens import SOL
from backend.execution.wallet.balances import Balances, WalletBalances
from backend.routing.route import Route
from backend.venues.spl import TOKEN_ACCOUNT_RENT, TOKEN_PROGRAM


class Funds(Protocol):
    """What the executor asks about the wallet."""

    def may_lack(self, terms: OrderTerms, route: Route) -> bool:
        """Whether the wallet seems to lack what a route takes, by the balances last read."""
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

    def may_lack(self, terms: OrderTerms, route: Route) -> bool:
        """Whether the wallet seems to lack what a route takes: unknown, so no."""
        return False

    async def require(self, terms: OrderTerms, route: Route) -> None:
        """Raise nothing."""

    def mark_changed(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class FreeFunds:
    """What of the balances can be sold; orders in execution are not known here.

    Each of these pays ``fee_lamports``. A sale of SOL leaves ``reserve_lamports``.
    """

    balances: Balances
    fee_lamports: int
    reserve_lamports: int

    @property
    def slot(self) -> int:
        """The slot of the balances."""
        return self.balances.slot

    def measure(self, token_in: Token, token_out: Token) -> int:
        """How much of a token can be sold for another, in base units.

        Of SOL that is what the fee, the rent of a new account and the reserve leave.
        """
        if token_in != SOL:
            return self.balances.tokens.get(token_in.mint) or 0
        kept = self.fee_lamports + self.reserve_lamports
        kept += _compute_account_rent(token_out, self.balances, ())
        return max(self.balances.lamports - kept, 0)


class WalletFunds:
    """Compares the balances of a wallet with what an order takes.

    ``fee_lamports`` is the network fee of a swap. A sale of SOL leaves ``reserve_lamports``, and
    in any case what it takes to buy SOL again: the fee and the rent of two token accounts.
    """

    def __init__(
        self, balances: WalletBalances, *, fee_lamports: int, reserve_lamports: int
    ) -> None:
        self._balances = balances
        self._fee = fee_lamports
        self._reserve = max(reserve_lamports, fee_lamports + 2 * TOKEN_ACCOUNT_RENT)

    async def read_free(self, tokens: Iterable[Token] = ()) -> FreeFunds:
        """Read the balances now, with those of ``tokens``. Raises ``Transient`` or ``Rejected``."""
        return FreeFunds(await self._balances.refresh(tokens), self._fee, self._reserve)

    def may_lack(self, terms: OrderTerms, route: Route) -> bool:
        """Whether the wallet seems to lack what a route takes, by the balances last read."""
        balances = self._balances.latest
        if balances is None:
            return False
        if not (self._balances.knows(terms.token_in) and self._balances.knows(terms.token_out)):
            return True
        return bool(self._list_shortages(terms, route, balances, ()))

    async def require(self, terms: OrderTerms, route: Route) -> None:
        """Read the balances and raise ``Rejected`` (``insufficient_funds``) if they lack it.

        Raises ``Transient`` if they cannot be read.
        """
        balances = await self._balances.refresh((terms.token_in, terms.token_out))
        unknown = {
            token.mint
            for leg in route.legs
            for token in (leg.token_in, leg.token_out)
            if self._balances.lists(token)
            and leg.pool.token_program(Pubkey.from_string(token.mint)) != TOKEN_PROGRAM
        }
        if shortages := self._list_shortages(terms, route, balances, unknown):
            raise Rejected("insufficient_funds", "; ".join(shortages))

    def mark_changed(self) -> None:
        """Take note that a transaction of the wallet has landed."""
        self._balances.mark_changed()

    def _list_shortages(
        self, terms: OrderTerms, route: Route, balances: Balances, unknown: Collection[str]
    ) -> list[str]:
        """A sentence for each token of which too little is there, SOL first.

        ``unknown`` are the mints whose balances are not known.
        """
        shortages = []
        needed = self._compute_lamports_needed(terms, route, balances, unknown)
        if balances.lamports < needed:
            reserve = format_amount(self._reserve, SOL.decimals)
            purpose = (
                f"with fees and the reserve of {reserve}"
                if terms.token_in == SOL
                else "for the network fee and rent"
            )
            shortages.append(_describe_shortage(SOL, needed, balances.lamports, purpose))
        token = terms.token_in
        if token != SOL and token.mint in balances.tokens and token.mint not in unknown:
            held = balances.tokens[token.mint] or 0
            if held < terms.amount_in:
                shortages.append(_describe_shortage(token, terms.amount_in, held))
        return shortages

    def _compute_lamports_needed(
        self, terms: OrderTerms, route: Route, balances: Balances, unknown: Collection[str]
    ) -> int:
        bought = {leg.token_out for leg in route.legs}
        rents = (_compute_account_rent(token, balances, unknown) for token in bought - {SOL})
        needed = self._fee + sum(rents)
        if terms.token_in == SOL:
            # The reserve is more than the rent of the temporary account, which comes back.
            return needed + terms.amount_in + self._reserve
        if terms.token_out == SOL:  # the temporary account; its rent comes back with the SOL
            return needed + TOKEN_ACCOUNT_RENT
        if SOL in bought:  # likewise, and the wallet keeps its own rent
            return needed + TOKEN_ACCOUNT_RENT + WALLET_RENT
        return needed + WALLET_RENT


def _compute_account_rent(token: Token, balances: Balances, unknown: Collection[str]) -> int:
    """The rent of the account that receives a token, where the wallet has none yet."""
    is_missing = token.mint not in unknown and balances.tokens.get(token.mint, 0) is None
    return TOKEN_ACCOUNT_RENT if is_missing else 0


def _describe_shortage(token: Token, needed: int, held: int, purpose: str = "") -> str:
    needs = f"needs {format_amount(needed, token.decimals)} {token.symbol} {purpose}".rstrip()
    missing = format_amount(needed - held, token.decimals)
    return (
        f"{needs}, the wallet holds {format_amount(held, token.decimals)}:"
        f" {missing} {token.symbol} are missing"
    )
