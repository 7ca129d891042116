"""The balance sheet: what every wallet holds, what orders in flight have reserved, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.tokens import SOL, TokenRegistry
from backend.execution.wallet.balances import WalletBalances
from backend.execution.wallet.ledger import Reading, WalletLedger
from backend.routing.pool_reader import AccountReader
from backend.store.database import DatabasePool
from backend.store.wallets.addresses import read_wallets

AGE_MAX_S = 1.0


class TokenBalance(NamedTuple):
    """A balance in base units: what is held, and what orders in flight have reserved of it."""

    token: Token
    held: int
    reserved: int


class WalletSheet(NamedTuple):
    """The balances of a wallet as of a slot, and how many orders in flight it pays for."""

    wallet: str
    slot: int
    orders_in_flight: int
    balances: Sequence[TokenBalance]


class BalanceSheet:
    """Reads the balances of the workers' wallets when it is asked, and never else."""

    def __init__(self, pool: DatabasePool, node: AccountReader, tokens: TokenRegistry) -> None:
        self._pool = pool
        self._node = node
        self._tokens = tokens
        self._ledgers: dict[str, WalletLedger] = {}

    async def read(self) -> list[WalletSheet]:
        """The balances of listed tokens, the main wallet first. Raises ``EngineError``."""
        addresses = await read_wallets(self._pool)
        self._ledgers = {each: self._find_ledger(each) for each in addresses}
        sheets = []
        for address, ledger in self._ledgers.items():
            reading = await ledger.read((), age_max_s=AGE_MAX_S)
            balances = [self._find_balance(reading, token) for token in self._tokens]
            orders = reading.reserved.orders
            sheets.append(WalletSheet(address, reading.snapshot.slot, orders, balances))
        return sheets

    def _find_ledger(self, address: str) -> WalletLedger:
        if address in self._ledgers:
            return self._ledgers[address]
        balances, key = WalletBalances(self._node), Pubkey.from_string(address)
        balances.watch(key, self._tokens)
        return WalletLedger(self._pool, key, balances)

    @staticmethod
    def _find_balance(reading: Reading, token: Token) -> TokenBalance:
        held = reading.balances.lamports if token == SOL else reading.snapshot.find(token) or 0
        return TokenBalance(token, held, reading.find_reserved(token))
