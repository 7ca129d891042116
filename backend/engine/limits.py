"""Trading states and limits as every process follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from backend.config import Settings
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool
from backend.store.limits.refusal_log import RefusalLog
from backend.store.trading.rules import TradingRules


def build_rules(settings: Settings, pool: DatabasePool) -> TradingRules:
    """The trading states and limits that a process knows."""
    return TradingRules(pool, TokenRegistry().find(settings.reference_token, "reference_token"))


def follow(pool: DatabasePool, trading: TradingRules) -> Callable[[], Coroutine[Any, Any, None]]:
    """What follows states and limits, and tells the audit log of what limits refuse."""
    log = RefusalLog(pool)
    trading.limits.on_refused = log.note

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(trading.run())
            tasks.create_task(log.run())

    return run
