"""What the configured wallets hold, what of it may be sold, and what orders in flight reserve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from solders.pubkey import Pubkey

from backend.config import Settings
from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.tokens import SOL, USDC
from backend.engine.examination.market_services import MarketServices
from backend.engine.wallets.funds import compute_costs
from backend.execution.wallet.balances import WalletBalances
from backend.execution.wallet.funds import FreeFunds, WalletFunds
from backend.execution.wallet.ledger import WalletLedger
from backend.store.connection import Pooling
from backend.store.database import DatabasePool, open_pool


@dataclass(frozen=True, slots=True)
class WalletExamination:
    """A wallet, with what ``orders`` in flight have reserved.

    ``unknown`` tells why that is not known: the database alone knows of orders.
    """

    address: Pubkey
    free: FreeFunds
    reserved: Mapping[Token, int] = field(default_factory=dict)
    orders: int = 0
    unknown: str = ""

    @property
    def sellable_lamports(self) -> int:
        """The SOL that one order may sell, apart from what is reserved."""
        return self.free.measure(SOL, USDC)

    def list_held(self, tokens: Sequence[Token]) -> list[tuple[Token, int]]:
        """What it holds of SOL, and of each token that it has an account of."""
        balances = self.free.balances
        held = [(token, balances.tokens.get(token.mint)) for token in tokens if token != SOL]
        return [(SOL, balances.lamports), *((each, n) for each, n in held if n is not None)]


async def examine_wallets(
    market: MarketServices, addresses: Sequence[Pubkey]
) -> list[WalletExamination]:
    """Read the balances of wallets. Raises ``EngineError`` if the node does not tell them."""
    fees, reserve = compute_costs(market.settings)
    examined = []
    async with AsyncExitStack() as stack:
        database, unknown = await _open_database(stack, market.settings)
        for address in addresses:
            balances = WalletBalances(market.rpc)
            balances.watch(address, market.tokens)
            funds = WalletFunds(balances, fees=fees, reserve_lamports=reserve)
            wallet = WalletExamination(address, await funds.read_free(), unknown=unknown)
            if database is not None:
                ledger = WalletLedger(database, address, balances)
                wallet = await _add_reserved(wallet, ledger, market.tokens)
            examined.append(wallet)
    return examined


async def _add_reserved(
    wallet: WalletExamination, ledger: WalletLedger, tokens: Iterable[Token]
) -> WalletExamination:
    try:
        reading = await ledger.read(())
    except EngineError as error:
        return replace(wallet, unknown=error.reason)
    reserved = {token: reading.find_reserved(token) for token in tokens}
    return replace(wallet, reserved=reserved, orders=reading.reserved.orders)


async def _open_database(
    stack: AsyncExitStack, settings: Settings
) -> tuple[DatabasePool | None, str]:
    """The database, or ``None`` and why there is none."""
    if not settings.database_url:
        return None, "DATABASE_URL is not set"
    pooling = Pooling(settings.database_pooler)
    opened = open_pool(settings.database_url, connections_max=1, pooling=pooling)
    try:
        return await stack.enter_async_context(opened), ""
    except EngineError as error:
        return None, error.reason
