"""What the wallet of the workers holds free, for processes that sign nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.costs import FeeBounds
from backend.domain.amounts import Token
from backend.domain.errors import Transient
from backend.domain.tokens import TokenRegistry
from backend.execution.wallet.balances import WalletBalances
from backend.execution.wallet.funds import FreeFunds, WalletFunds
from backend.routing.pool_reader import AccountReader
from backend.store.database import DatabasePool
from backend.store.wallets.addresses import read_wallet

UNKNOWN_CODE: Final = "wallet_unknown"


class WalletHoldings:
    """Reads the balances when it is asked, and never else.

    ``fees`` and ``reserve_lamports`` are as of ``WalletFunds``.
    """

    def __init__(
        self,
        pool: DatabasePool,
        node: AccountReader,
        tokens: TokenRegistry,
        *,
        fees: FeeBounds,
        reserve_lamports: int,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._address: str | None = None
        self._balances = WalletBalances(node)
        self._funds = WalletFunds(self._balances, fees=fees, reserve_lamports=reserve_lamports)

    async def read_free(self, tokens: Iterable[Token] = ()) -> FreeFunds:
        """What can be sold of listed tokens and of ``tokens``, by balances that are read now.

        Raises ``Transient``, and ``Rejected`` where the node refuses to tell them.
        """
        address = await read_wallet(self._pool)
        if address is None:
            reason = "no worker has started yet, whose wallet is sold from"
            raise Transient(UNKNOWN_CODE, reason)
        if address != self._address:
            self._balances.watch(Pubkey.from_string(address), self._tokens)
            self._address = address
        return await self._funds.read_free(tokens)
