"""The check before signing: does the wallet hold what an order takes, with fees, rent and reserve?

The balances may be older than the order. So a shortage counts only after they were read again. What
other orders in flight take is reserved: an order that lacks only that waits for their end, as it
may be that they do not take it. The chain has the last word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.costs import WALLET_RENT, FeeBounds
from backend.chain.signing.signer import Signer
from backend.domain.amounts import Token, format_amount
from backend.domain.errors import Rejected
from backend.domain.orders import OrderTerms
from backend.domain.tokens import SOL
from backend.execution.wallet.balances import Balances, WalletBalances
from backend.execution.wallet.ledger import AGE_MAX_S, WalletLedger
from backend.routing.route import Route
from backend.store.wallets.spending import Spend
from backend.venues.spl import TOKEN_2022_ACCOUNT_RENT_MAX, TOKEN_ACCOUNT_RENT, TOKEN_PROGRAM

RESERVED_WAIT_S: Final = 30.0
"""How long an order waits at most for the end of orders that have reserved what it lacks."""
RESERVED_POLL_S: Final = 0.25
SHORT_S: Final = 1.0
"""So long after a shortage the other wallets go first."""
NOTHING_RESERVED: Final[Mapping[Token, int]] = MappingProxyType({})


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

    ``fees`` are the most that swaps pay the network. A sale of SOL leaves ``reserve_lamports``, and
    in any case what it takes to buy SOL again: the fee and the rent of two token accounts.
    """

    def __init__(
        self,
        balances: WalletBalances,
        *,
        fees: FeeBounds,
        reserve_lamports: int,
        wallet: Signer | None = None,
        ledger: WalletLedger | None = None,
    ) -> None:
        self.wallet = wallet
        self.load = 0
        self._short_until = 0.0
        self._ledger = ledger
        self._balances = balances
        self._fees = fees
        self._reserve = max(reserve_lamports, fees.default + 2 * TOKEN_ACCOUNT_RENT)

    @property
    def ledger(self) -> WalletLedger | None:
        """The reservations of the wallet, if there are any."""
        return self._ledger

    async def read_free(self, tokens: Iterable[Token] = ()) -> FreeFunds:
        """Read the balances now, with those of ``tokens``. Raises ``Transient`` or ``Rejected``."""
        return FreeFunds(await self._balances.refresh(tokens), self._fees.default, self._reserve)

    def may_lack(self, terms: OrderTerms, route: Route) -> bool:
        """Whether the wallet seems to lack what a route takes, by the balances last read."""
        balances = self._balances.latest
        if balances is None:
            return False
        if not (self._balances.knows(terms.token_in) and self._balances.knows(terms.token_out)):
            return True
        if balances.refuses(route):
            return True
        return bool(self._list_shortages(terms, route, balances, ()))

    async def require(self, terms: OrderTerms, route: Route) -> None:
        """Read the balances and raise ``Rejected`` (``insufficient_funds``) if they lack it.

        Also if the wallet's token accounts refuse transfers (``account_frozen`` …). Raises
        ``Transient`` if they cannot be read.
        """
        balances = await self._balances.refresh((terms.token_in, terms.token_out))
        balances.require_transfers(route)
        unknown = {
            token.mint
            for leg in route.legs
            for token in (leg.token_in, leg.token_out)
            if self._balances.lists(token)
            and leg.pool.token_program(Pubkey.from_string(token.mint)) != TOKEN_PROGRAM
        }
        if shortages := self._list_shortages(terms, route, balances, unknown):
            raise Rejected("insufficient_funds", "; ".join(shortages))

    def opens_accounts(self, route: Route) -> bool:
        """Whether a token account has to be created for a route, by the balances last read."""
        balances = self._balances.latest
        return balances is not None and _compute_rents(route, balances, ()) > 0

    def mark_changed(self) -> None:
        """Take note that a transaction of the wallet has landed."""
        self._balances.mark_changed()

    async def reserve(
        self, terms: OrderTerms, route: Route, fee_lamports: int | None = None
    ) -> Spend | None:
        """What a transaction takes: within a budget of this process, or to be checked."""
        ledger, balances = self._ledger, self._balances.latest
        if ledger is None:
            return None
        if balances is not None:
            spend = self._build_spend(ledger, terms, route, balances, fee_lamports)
            generations = ledger.budgets.take(spend, balances.lamports)
            if generations is not None:
                return replace(spend, generations=generations)
        tokens = (terms.token_in, terms.token_out)
        reading = await ledger.read(tokens, age_max_s=AGE_MAX_S)
        spend = self._build_spend(ledger, terms, route, reading.balances, fee_lamports)
        return replace(spend, snapshot=reading.snapshot)

    async def await_free(
        self, terms: OrderTerms, route: Route, fee_lamports: int | None, *, waits: bool
    ) -> None:
        """Wait until orders in flight leave what a transaction of a route takes."""
        ledger, loop = self._ledger, asyncio.get_running_loop()
        assert ledger is not None, "only what is reserved is waited for"
        deadline = loop.time() + RESERVED_WAIT_S if waits else loop.time()
        age_max_s = 0.0  # only what is read from now on decides
        while True:
            tokens = (terms.token_in, terms.token_out)
            reading = await ledger.read(tokens, age_max_s=age_max_s)
            age_max_s = RESERVED_POLL_S
            balances = reading.balances
            if shortages := self._list_shortages(terms, route, balances, (), fee=fee_lamports):
                raise Rejected("insufficient_funds", "; ".join(shortages))
            if reading.take(self._build_spend(ledger, terms, route, balances, fee_lamports)):
                return
            if loop.time() >= deadline:
                reserved = {each: reading.find_reserved(each) for each in {SOL, terms.token_in}}
                shortages = self._list_shortages(terms, route, balances, (), reserved, fee_lamports)
                raise Rejected("insufficient_funds", "; ".join(shortages))
            await asyncio.sleep(RESERVED_POLL_S)

    @property
    def is_short(self) -> bool:
        """Whether orders in flight had reserved just now what another one needed."""
        return asyncio.get_running_loop().time() < self._short_until

    def mark_short(self) -> None:
        """Take note that they have."""
        self._short_until = asyncio.get_running_loop().time() + SHORT_S

    def void_budgets(self) -> None:
        """Have every further transaction checked, until there are new budgets."""
        if self._ledger is not None:
            self._ledger.budgets.void()

    def _build_spend(
        self,
        ledger: WalletLedger,
        terms: OrderTerms,
        route: Route,
        balances: Balances,
        fee_lamports: int | None = None,
    ) -> Spend:
        taken, kept = self._compute_lamports(terms, route, balances, (), fee_lamports)
        token = terms.token_in
        # Without an account, it may be one of a program that is not looked for.
        is_known = token != SOL and balances.tokens.get(token.mint) is not None
        return Spend(
            ledger.address,
            taken,
            kept,
            token if is_known else None,
            terms.amount_in if is_known else 0,
            self._reserve,
            ledger.budgets,
        )

    def _find_kept(self, terms: OrderTerms, fee: int) -> int:
        """The lamports that a sale of SOL leaves.

        A share of what is held was computed with the usual fee: a higher one is of the reserve.
        """
        above = fee - self._fees.default if terms.amount_in_bps is not None else 0
        return max(self._reserve - max(above, 0), WALLET_RENT)

    def _list_shortages(
        self,
        terms: OrderTerms,
        route: Route,
        balances: Balances,
        unknown: Collection[str],
        reserved: Mapping[Token, int] = NOTHING_RESERVED,
        fee: int | None = None,
    ) -> list[str]:
        """A sentence for each token of which too little is there, SOL first.

        ``unknown`` are the mints whose balances are not known, ``reserved`` is what orders in
        flight take, ``fee`` that of a signed transaction.
        """
        shortages = []
        needed = sum(self._compute_lamports(terms, route, balances, unknown, fee))
        taken = reserved.get(SOL, 0)
        if balances.lamports - taken < needed:
            reserve = format_amount(self._reserve, SOL.decimals)
            purpose = (
                f"with fees and the reserve of {reserve}"
                if terms.token_in == SOL
                else "for the network fee and rent"
            )
            shortages.append(_describe_shortage(SOL, needed, balances.lamports, taken, purpose))
        token = terms.token_in
        if token != SOL and token.mint in balances.tokens and token.mint not in unknown:
            held = balances.tokens[token.mint] or 0
            taken = reserved.get(token, 0)
            if held - taken < terms.amount_in:
                shortages.append(_describe_shortage(token, terms.amount_in, held, taken))
        return shortages

    def _compute_lamports(
        self,
        terms: OrderTerms,
        route: Route,
        balances: Balances,
        unknown: Collection[str],
        fee_lamports: int | None = None,
    ) -> tuple[int, int]:
        """The lamports that a transaction takes for good, and those that are needed besides."""
        fee = self._fees.compute_most(terms.fees) if fee_lamports is None else fee_lamports
        taken = fee + _compute_rents(route, balances, unknown)
        bought = {leg.token_out for leg in route.legs}
        if terms.token_in == SOL:
            # The reserve is more than the rent of the temporary account, which comes back.
            return taken + terms.amount_in, self._find_kept(terms, fee)
        if terms.token_out == SOL:  # the temporary account; its rent comes back with the SOL
            return taken, TOKEN_ACCOUNT_RENT
        if SOL in bought:  # likewise, and the wallet keeps its own rent
            return taken, TOKEN_ACCOUNT_RENT + WALLET_RENT
        return taken, WALLET_RENT


def _compute_rents(route: Route, balances: Balances, unknown: Collection[str]) -> int:
    """The rent of the accounts that a route creates, of Token-2022 the most that it may be."""
    created: dict[Token, int] = {}
    for leg in route.legs:
        token = leg.token_out
        if token != SOL and (rent := _compute_account_rent(token, balances, unknown)):
            program = leg.pool.token_program(Pubkey.from_string(token.mint))
            created[token] = rent if program == TOKEN_PROGRAM else TOKEN_2022_ACCOUNT_RENT_MAX
    return sum(created.values())


def _compute_account_rent(token: Token, balances: Balances, unknown: Collection[str]) -> int:
    """The rent of the account that receives a token, where the wallet has none yet."""
    is_missing = token.mint not in unknown and balances.tokens.get(token.mint, 0) is None
    return TOKEN_ACCOUNT_RENT if is_missing else 0


def _describe_shortage(token: Token, needed: int, held: int, taken: int, purpose: str = "") -> str:
    needs = f"needs {format_amount(needed, token.decimals)} {token.symbol} {purpose}".rstrip()
    missing = format_amount(needed - held + taken, token.decimals)
    holds = f"the wallet holds {format_amount(held, token.decimals)}"
    if taken:
        holds += f", of which orders in flight take {format_amount(taken, token.decimals)}"
    return f"{needs}, {holds}: {missing} {token.symbol} are missing"
