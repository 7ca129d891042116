"""What a person does to trading: halts it, maybe cancelling what is open, and resumes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.lifecycle import CANCELLABLE_STATUSES
from backend.domain.trading.states import Scope, Target, TradingRule
from backend.store.audit_log.entries import Actor
from backend.store.database import FIRST_ID, DatabasePool
from backend.store.limits.limit_store import LimitStore
from backend.store.trading.changes import StateChange, lift_state, set_state
from backend.store.trading.held_orders import IS_ACTIVE, walk_owners
from backend.store.trading.rules import TradingRules
from backend.store.withdrawals.cancellations import Cancellations, CancelReason

PAGE_ORDERS: Final = 500
_CANCELLABLE: Final = sorted(status.value for status in CANCELLABLE_STATUSES)

_IS_WAITING: Final = "trigger_shard IS NOT NULL"
_FIND_OWNERS: Final = f""" -- find owners of open orders
WITH RECURSIVE {walk_owners("active", IS_ACTIVE)}, {walk_owners("waiting", _IS_WAITING)}
SELECT owner, now() AS at FROM (SELECT owner FROM active UNION SELECT owner FROM waiting) owners
WHERE owner IS NOT NULL AND ($1::text IS NULL OR owner = $1)
"""  # noqa: S608 - constants only
_IN_PAIR: Final = """
    ($5::text IS NULL OR $5 IN (token_in || '/' || token_out, token_out || '/' || token_in))
"""
_FIND_ORDERS: Final = f""" -- find orders to cancel
(SELECT id FROM orders
 WHERE owner = $1 AND {IS_ACTIVE} AND created_at <= $2
   AND status::text = ANY($3::text[]) AND id > $4 AND {_IN_PAIR}
 ORDER BY id LIMIT {PAGE_ORDERS})
UNION ALL
(SELECT id FROM orders
 WHERE owner = $1 AND {_IS_WAITING} AND created_at <= $2 AND id > $4 AND {_IN_PAIR}
 ORDER BY id LIMIT {PAGE_ORDERS})
ORDER BY id LIMIT {PAGE_ORDERS}
"""  # noqa: S608 - constants only


class HaltResult(NamedTuple):
    """The state that is in force, and how many orders were cancelled."""

    rule: TradingRule
    cancelled: int


class TradingControl:
    """Sets and lifts trading states for people. Its methods raise ``Transient``.

    ``rules`` are the states in force as this process knows them, ``limits`` those of owners.
    """

    def __init__(
        self, rules: TradingRules, pool: DatabasePool, cancellations: Cancellations
    ) -> None:
        self.rules: Final = rules
        self.limits: Final = LimitStore(pool, rules.limits.reference)
        self._pool = pool
        self._cancellations = cancellations

    async def halt(self, change: StateChange, actor: Actor, *, cancels: bool) -> HaltResult:
        """Set a state; with ``cancels`` the orders that it stops are cancelled as well.

        Those are all that are not submitted and were accepted before, of its owner or its pair: an
        order is of no exchange. Raises as ``set_state``.
        """
        assert not (cancels and change.target.scope is Scope.DEX)
        rule = await set_state(self._pool, change, actor)
        return HaltResult(rule, await self._cancel(change.target) if cancels else 0)

    async def resume(self, target: Target, actor: Actor) -> TradingRule | None:
        """Make trading active again; returns what was in force, if anything was."""
        return await lift_state(self._pool, target, actor)

    async def _cancel(self, target: Target) -> int:
        owner = target.subject if target.scope is Scope.OWNER else None
        cancelled = 0
        for row in await self._pool.read(_FIND_OWNERS, owner):
            async for ids in self._page_orders(row["owner"], row["at"], target):
                reason = CancelReason.HALTED
                cancelled += len(await self._cancellations.cancel_many(row["owner"], ids, reason))
        return cancelled

    async def _page_orders(
        self, owner: str, until: datetime, target: Target
    ) -> AsyncIterator[list[UUID]]:
        pair = target.subject if target.scope is Scope.PAIR else None
        after = FIRST_ID
        while True:
            rows = await self._pool.read(_FIND_ORDERS, owner, until, _CANCELLABLE, after, pair)
            if not rows:
                return
            ids = [row["id"] for row in rows]
            yield ids
            after = ids[-1]
