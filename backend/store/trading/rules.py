"""The trading states in force, as processes know them: read at an interval.

They decide nothing: the statements that claim, release and store orders read the rows themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final

import asyncpg

from backend.domain.amounts import Token
from backend.domain.errors import Transient
from backend.domain.tokens import USDC
from backend.domain.trading.states import Scope, Target, TradingRule, TradingState
from backend.store.database import DatabasePool
from backend.store.limits.known_limits import KnownLimits
from backend.store.trading import observe_trading

INTERVAL_S: Final = 0.25
# The version of the limits comes along, so that following them takes no statement of its own.
_READ: Final = """ -- read trading states
SELECT v.version AS limits_version, t.* FROM order_limits_version v LEFT JOIN (
    SELECT scope, subject, state, why, set_by, since, reference FROM list_trading_states()
) t ON true
ORDER BY scope <> 'all', since, scope, subject
"""


def parse_rule(row: asyncpg.Record) -> TradingRule:
    """The trading state of a row."""
    target = Target(Scope(row["scope"]), row["subject"])
    state = TradingState(row["state"])
    return TradingRule(target, state, row["why"], row["set_by"], row["since"], row["reference"])


async def read_rules(pool: DatabasePool) -> list[TradingRule]:
    """The states in force, that of all orders first. Raises ``Transient``."""
    return _parse_rules(await pool.read(_READ))


def _parse_rules(rows: Sequence[asyncpg.Record]) -> list[TradingRule]:
    return [parse_rule(row) for row in rows if row["scope"] is not None]


async def _ignore_change() -> None:
    """Do nothing."""


class TradingRules:
    """The states in force as of the last reading, and the limits; ``run`` must be running.

    ``on_lifted`` is called when a state is not in force any more, or holds less.
    """

    def __init__(self, pool: DatabasePool, reference: Token = USDC) -> None:
        self.limits: Final = KnownLimits(reference)
        self._pool = pool
        self.on_lifted: Callable[[], Awaitable[None]] = _ignore_change
        self.current: Sequence[TradingRule] = []

    async def run(self) -> None:
        """Read at an interval until cancelled; without PostgreSQL what was read holds."""
        while True:
            try:
                await self.refresh()
            except Transient as error:
                observe_trading.states_unknown(error)
            await asyncio.sleep(INTERVAL_S)

    async def refresh(self) -> None:
        """Read now. Raises ``Transient``."""
        asked_at_s = monotonic()
        rows = await self._pool.read(_READ)
        await self.limits.follow(self._pool, rows[0]["limits_version"], asked_at_s)
        earlier, self.current = self.current, _parse_rules(rows)
        if earlier != self.current:
            observe_trading.states_changed(self.current)
            targets = {each.target for each in self.current if each.state is TradingState.HALTED}
            if any(each.target not in targets for each in earlier):
                await self.on_lifted()

    def list_stopped(self, owner: str) -> list[str]:
        """A sentence for each state in force that stops orders of an owner."""
        return [
            each.describe()
            for each in self.current
            if each.target.scope is not Scope.OWNER or each.target.subject == owner
        ]
