"""What trading states mean for a worker: what it routes, and what it claims once one has ended."""

from __future__ import annotations

from backend.engine.shared_services import SharedServices
from backend.execution.trading_router import TradingRouter
from backend.queue.messages import JobMessage
from backend.queue.turns import OwnerTurns
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
