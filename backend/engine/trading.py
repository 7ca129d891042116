"""What trading states mean for a worker: what it routes, what it claims, what halts it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from backend.config import Settings
from backend.domain.tokens import SOL
from backend.engine.shared_services import SharedServices
from backend.execution.trading.breaker import Breaker, BreakerPolicy
from backend.execution.trading.loss_watch import LossWatch
from backend.execution.trading.route_measurer import RouteMeasurer
from backend.execution.trading.trading_router import TradingRouter
from backend.execution.wallet.funds import WalletFunds
from backend.queue.messages import JobMessage
from backend.queue.turns import OwnerTurns
from backend.store.fills.fill_store import FillStore
from backend.store.trading.held_orders import find_open_owners


def build_trading_router(shared: SharedServices) -> TradingRouter:
    """The router of executions, by the trading states that this process knows."""
    return TradingRouter(shared.router, lambda: shared.trading.current)


def build_measurer(settings: Settings, shared: SharedServices) -> RouteMeasurer:
    """What measures routes, as the limits of owners ask for it."""
    read = shared.router.read_pools
    return RouteMeasurer(shared.trading.limits, read, age_max_s=settings.quote_age_s)


def claim_when_lifted(shared: SharedServices, turns: OwnerTurns[JobMessage]) -> None:
    """Have the orders of all owners claimed from their rows once a trading state has ended.

    Their jobs were spent while they were held.
    """

    async def mark_backlogs() -> None:
        for owner in await find_open_owners(shared.pool):
            turns.mark_backlog(owner)

    shared.trading.on_lifted = mark_backlogs


def build_loss_watch(shared: SharedServices, random: Random) -> LossWatch:
    """What stops the trading of owners that lose too much on a day."""
    fills = FillStore(shared.pool, shared.tokens, shared.trading.limits.reference.symbol)
    return LossWatch(shared.pool, fills, shared.trading, random)


def build_breaker(
    settings: Settings, shared: SharedServices, funds: Sequence[WalletFunds], random: Random
) -> Breaker:
    """What halts trading by itself, as far as the settings say so."""
    policy = BreakerPolicy(
        settings.breaker_failures,
        settings.breaker_loss_bps,
        settings.breaker_loss_orders,
        int(settings.breaker_floor_sol.scaleb(SOL.decimals)),
    )
    ledgers = [each.ledger for each in funds if each.ledger is not None]
    return Breaker(shared.pool, ledgers, policy, random)
