"""What a wallet holds beside the reservations of all processes, read when an order needs to know.

While this process spends within its budgets nobody asks. Callers that ask at the same time share
one reading: the balances by one request to the node, the reservations by one statement.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.errors import Transient, Unavailable
from backend.domain.tokens import SOL
from backend.execution.wallet.balances import Balances, WalletBalances
from backend.store.database import DatabasePool
from backend.store.wallets.checked_spends import Reserved, read_horizon, read_reserved
from backend.store.wallets.spending import BalanceSnapshot, Spend, WalletBudgets

AGE_MAX_S: Final = 0.5
"""Age up to which a reading serves for the check of a commit, which reads reservations anew."""


class Reading(NamedTuple):
    """Balances, what is reserved beside them, and what callers have been told they can have."""

    started_at: float
    balances: Balances
    snapshot: BalanceSnapshot
    reserved: Reserved
    taken: Counter[str]

    def find_reserved(self, token: Token) -> int:
        """What others take of a token."""
        return self.reserved.find(token) + self.taken[token.symbol]

    def take(self, spend: Spend) -> bool:
        """Take what a transaction needs, if it is free."""
        free = {
            token.symbol: None if held is None else held - self.find_reserved(token)
            for token, held in ((each, self.snapshot.find(each)) for each, _ in spend.amounts())
        }
        if not spend.fits(free):
            return False
        for token, amount in spend.amounts():
            self.taken[token.symbol] += amount
        return True


class WalletLedger:
    """The reservations of one wallet, as this process knows them, and its budgets."""

    def __init__(self, pool: DatabasePool, address: Pubkey, balances: WalletBalances) -> None:
        self.address: Final = str(address)
        self.budgets: Final = WalletBudgets()
        self._pool = pool
        self._balances = balances
        self._lock = asyncio.Lock()
        self._last: Reading | None = None

    async def read(self, tokens: Iterable[Token], *, age_max_s: float = 0.0) -> Reading:
        """What the wallet holds of ``tokens``, and what is reserved, by a reading of that age.

        Raises ``Unavailable`` while the node or PostgreSQL is, and as ``WalletBalances.refresh``.
        """
        wanted = [each for each in tokens if each != SOL]
        since = asyncio.get_running_loop().time() - age_max_s
        async with self._lock:
            last = self._last
            if last is None or last.started_at < since or not _knows(last, wanted):
                last = self._last = await self._read(wanted)
            return last

    async def _read(self, tokens: Iterable[Token]) -> Reading:
        started_at = asyncio.get_running_loop().time()
        try:
            horizon = await read_horizon(self._pool)
            balances = await self._balances.refresh(tokens)
            reserved = await read_reserved(
                self._pool, self.address, horizon=horizon, slot=balances.slot
            )
        except Unavailable:
            raise
        except Transient as error:
            raise Unavailable(error.code, error.reason) from None
        snapshot = BalanceSnapshot(horizon, balances.slot, balances.lamports, balances.tokens)
        return Reading(started_at, balances, snapshot, reserved, Counter())


def _knows(reading: Reading, tokens: Iterable[Token]) -> bool:
    return all(token.mint in reading.balances.tokens for token in tokens)
