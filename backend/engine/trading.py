"""What trading states mean for a worker: what it routes, what it claims, and what it watches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from random import Random

from backend.config import Settings
from backend.domain.tokens import SOL
from backend.engine.shared_services import SharedServices
from backend.execution.trading.breaker import Breaker, BreakerPolicy
from backend.execution.trading.trading_router import TradingRouter
from backend.execution.wallet.funds import WalletFunds
from backend.queue.messages import JobMessage
from backend.queue.turns import OwnerTurns
from backend.store.audit_log.seals import run_seals
from backend.store.trading.held_orders import find_open_owners


def build_trading_router(shared: SharedServices) -> TradingRouter:
    """The router of executions, by the trading states that this process knows."""
    return TradingRouter(shared.router, lambda: shared.trading.current)


def claim_when_lifted(shared: SharedServices, turns: OwnerTurns[JobMessage]) -> None:
    """Have the orders of all owners claimed from their rows once a trading state has ended.

    Their jobs were spent while they were held.
    """

    async def mark_backlogs() -> None:
        for owner in await find_open_owners(shared.pool):
            turns.mark_backlog(owner)

    shared.trading.on_lifted = mark_backlogs


class TradingWatch:
    """What a worker watches besides its orders: the breaker, and the seals of the audit log."""

    def __init__(
        self,
        settings: Settings,
        shared: SharedServices,
        funds: Sequence[WalletFunds],
        random: Random,
    ) -> None:
        policy = BreakerPolicy(
            settings.breaker_failures,
            settings.breaker_loss_bps,
            settings.breaker_loss_orders,
            int(settings.breaker_floor_sol.scaleb(SOL.decimals)),
        )
        ledgers = [each.ledger for each in funds if each.ledger is not None]
        self._breaker = Breaker(shared.pool, ledgers, policy, random)
        self._seal = partial(
            run_seals, shared.pool, interval_s=settings.audit_seal_s, random=random
        )

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._breaker.run())
            tasks.create_task(self._seal())
