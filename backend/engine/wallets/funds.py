"""What processes know of the wallet's balances, by the same costs and the same reserve."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from backend.chain.compute_budget import ComputeBudget
from backend.chain.costs import FeeBounds, compute_network_fee
from backend.chain.signing.signer import Signer
from backend.config import Settings
from backend.domain.fees.order_fees import SIGNATURE_FEE
from backend.domain.tokens import SOL
from backend.engine.shared_services import SharedServices
from backend.execution.wallet import observe_wallets
from backend.execution.wallet.funds import WalletFunds
from backend.execution.wallet.holdings import WalletHoldings
from backend.execution.wallet.ledger import WalletLedger
from backend.execution.wallet.reconciliation import Reconciler


def build_budget(settings: Settings) -> ComputeBudget:
    """The compute budget of a swap, with the fixed price."""
    return ComputeBudget(unit_price=settings.priority_fee_microlamports)


def watch_wallets(
    settings: Settings, shared: SharedServices, wallets: Sequence[Signer]
) -> Sequence[WalletFunds]:
    """The funds of a worker's wallets, whose balances are read with the pools from now on."""
    main, *others = wallets
    shared.balances.watch(main.address, shared.tokens)
    balances = [shared.balances]
    balances += [shared.balances.add_wallet(each.address, shared.tokens) for each in others]
    fees, reserve = compute_costs(settings)
    observe_wallets.reserve_known(reserve)
    return [
        WalletFunds(
            read,
            fees=fees,
            reserve_lamports=reserve,
            wallet=wallet,
            ledger=WalletLedger(shared.pool, wallet.address, read),
        )
        for wallet, read in zip(wallets, balances, strict=True)
    ]


def build_reconciler(
    settings: Settings, shared: SharedServices, funds: Sequence[WalletFunds], random: Random
) -> Reconciler:
    """What compares the wallets' balances with what orders explain."""
    ledgers = [each.ledger for each in funds if each.ledger is not None]
    return Reconciler(
        *(shared.pool, ledgers, shared.tokens), interval_s=settings.reconcile_s, random=random
    )


def build_holdings(settings: Settings, shared: SharedServices) -> WalletHoldings:
    """What the wallet of the workers holds, for an API process."""
    fees, reserve = compute_costs(settings)
    return WalletHoldings(
        *(shared.pool, shared.rpc, shared.tokens), fees=fees, reserve_lamports=reserve
    )


def compute_costs(settings: Settings) -> tuple[FeeBounds, int]:
    """The most lamports of the fee of a swap, and those of the reserve."""
    tip = settings.tip_lamports if settings.jito_url else 0
    fixed = compute_network_fee(build_budget(settings)) + tip
    auto = SIGNATURE_FEE + settings.priority_fee_ceiling_lamports + tip
    fees = FeeBounds(auto if settings.priority_fee == "auto" else fixed, auto, tip)
    return fees, int(settings.sol_reserve.scaleb(SOL.decimals))
