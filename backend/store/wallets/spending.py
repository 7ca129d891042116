"""What a signed transaction may take from its wallet, and what a process may spend without asking.

The rows of submitted orders are the reservations. While far more is free than orders take, a
process spends within a budget, which is a small part of what was free: no order asks anything. Once
that is used up, or too little is free for budgets, the commit that stores a transaction is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from backend.domain.amounts import Token
from backend.domain.tokens import SOL

PARTS: Final = 64
"""Into so many parts a generation of budgets divides what is free."""
ORDERS_MIN: Final = 16
"""A part pays for at least so many orders as large as the one that asks, else there is none."""


class FundsReserved(Exception):
    """The wallet does not hold what the transaction takes beside the orders in flight."""


class BudgetRevoked(Exception):
    """The budget that a transaction was to be paid from is void: it has to be checked."""


@dataclass(frozen=True, slots=True)
class BalanceSnapshot:
    """What a wallet holds as of ``slot``: lamports, and base units of tokens by mint.

    ``horizon`` is a transaction id of the database from before the balances were read: an order
    that is not in flight any more, and had ended before it, is in the balances.
    """

    horizon: int
    slot: int
    lamports: int
    tokens: Mapping[str, int | None]

    def find(self, token: Token) -> int | None:
        """The balance in a token; ``None`` if it is not known."""
        if token == SOL:
            return self.lamports
        return (self.tokens[token.mint] or 0) if token.mint in self.tokens else None


class Budget(NamedTuple):
    """What is left to spend of a token in a generation."""

    generation: int
    left: int


class WalletBudgets:
    """What this process may spend of a wallet without asking, by the names of tokens in rows."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        self._lamports = 0

    def take(self, spend: Spend, lamports: int) -> tuple[tuple[str, int], ...] | None:
        """Take what a transaction needs; returns tokens with their generations.

        ``None`` if that is not within the budgets, which remain as they are. ``lamports`` is what
        the wallet holds now: if that is less than half of what it was, somebody else spends it.
        """
        if 2 * lamports < self._lamports:
            self._lamports = lamports
            self.void()
        taken = []
        for token, amount in spend.amounts():
            budget = self._budgets.get(token.symbol)
            if budget is None or budget.left < amount:
                return None
            taken.append((token.symbol, budget, amount))
        for name, budget, amount in taken:
            self._budgets[name] = Budget(budget.generation, budget.left - amount)
        return tuple((name, budget.generation) for name, budget, _ in taken)

    def find_generation(self, name: str) -> int | None:
        """The generation of the latest budget in a token, whatever is left of it."""
        budget = self._budgets.get(name)
        return None if budget is None else budget.generation

    def grant(self, name: str, budget: Budget, snapshot: BalanceSnapshot) -> None:
        """Replace the budget in a token by one that was made of a snapshot."""
        self._budgets[name] = budget
        self._lamports = snapshot.lamports

    def void(self) -> None:
        """Spend nothing more without asking."""
        self._budgets = {name: Budget(each.generation, 0) for name, each in self._budgets.items()}


@dataclass(frozen=True, slots=True)
class Spend:
    """What a signed transaction may take from a wallet.

    ``lamports`` are the fee, the rent of accounts that stay and the amount where SOL is sold;
    ``lamports_kept`` have to be there besides. ``amount`` is what is sold of ``token``, where that
    is not SOL and its balance can be known. ``generations`` are those of the budgets that it is
    paid from; without them the commit is checked against ``snapshot``. No budget is made of the
    ``reserve``.
    """

    wallet: str
    lamports: int
    lamports_kept: int
    token: Token | None
    amount: int
    reserve: int
    budgets: WalletBudgets = field(repr=False)
    generations: tuple[tuple[str, int], ...] | None = None
    snapshot: BalanceSnapshot | None = None

    @property
    def is_checked(self) -> bool:
        """Whether the commit that stores the transaction has to check the wallet's funds."""
        return self.generations is None

    def amounts(self) -> Iterator[tuple[Token, int]]:
        """What it takes of each token, SOL first."""
        yield SOL, self.lamports
        if self.token is not None:
            yield self.token, self.amount

    def fits(self, free: Mapping[str, int | None]) -> bool:
        """Whether so much free pays for it; a token whose balance is not known does."""
        for token, amount in self.amounts():
            kept = self.lamports_kept if token == SOL else 0
            left = free[token.symbol]
            if left is not None and left < amount + kept:
                return False
        return True
