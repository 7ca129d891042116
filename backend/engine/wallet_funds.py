"""What processes know of the wallet's balances, by the same costs and the same reserve."""

from __future__ import annotations

from backend.chain.costs import compute_network_fee
from backend.chain.transactions import ComputeBudget
from backend.chain.wallet import Wallet
from backend.config import Settings
from backend.domain.tokens import SOL
from backend.engine.shared_services import SharedServices
from backend.execution.wallet.funds import WalletFunds
from backend.execution.wallet.holdings import WalletHoldings


def build_budget(settings: Settings) -> ComputeBudget:
    """The compute budget of a swap; where its price follows the market, it has a ceiling."""
    ceiling = settings.priority_fee_ceiling_lamports if settings.priority_fee == "auto" else None
    return ComputeBudget(unit_price=settings.priority_fee_microlamports, ceiling_lamports=ceiling)


def watch_funds(settings: Settings, shared: SharedServices, wallet: Wallet) -> WalletFunds:
    """The funds of a worker's wallet, whose balances are read with the pools from now on."""
    shared.balances.watch(wallet.address, shared.tokens)
    fee, reserve = _compute_costs(settings)
    return WalletFunds(shared.balances, fee_lamports=fee, reserve_lamports=reserve)


def build_holdings(settings: Settings, shared: SharedServices) -> WalletHoldings:
    """What the wallet of the workers holds, for an API process."""
    fee, reserve = _compute_costs(settings)
    return WalletHoldings(
        *(shared.pool, shared.rpc, shared.tokens), fee_lamports=fee, reserve_lamports=reserve
    )


def _compute_costs(settings: Settings) -> tuple[int, int]:
    fee = compute_network_fee(build_budget(settings))
    return fee, int(settings.sol_reserve.scaleb(SOL.decimals))
