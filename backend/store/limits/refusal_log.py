"""Refusals by limits in the audit log: summed up, so that whoever is refused does not fill it.

The first one of an owner and a code is written within a second, what follows once a minute with
the number of orders. What a process has not written yet is lost if it is killed; what an order has
failed by at its signature is in its events all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from backend.domain.errors import EngineError
from backend.domain.limits.refusals import LimitExceeded
from backend.runtime.observe_requests import get_request_id
from backend.store.audit_log.entries import ENGINE, Actor, append_entry
from backend.store.database import DatabasePool
from backend.store.errors import DATABASE_ERRORS
from backend.store.limits import observe_limits

INTERVAL_S: Final = 1.0
QUIET_S: Final = 60.0
"""After an entry of an owner and a code the next one follows so much later."""
KEYS_MAX: Final = 10_000
"""Most owners and codes that are summed up at once; further ones are counted in the metrics."""


@dataclass(slots=True)
class _Sum:
    """Refusals of an owner by a code that are not written: the first of them, and their number."""

    members: Mapping[str, object]
    request_id: str
    count: int = 0
    written_at_s: float | None = None


class RefusalLog:
    """Tells the audit log of refusals; ``run`` must be running."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool
        self._sums: dict[tuple[str, str], _Sum] = {}

    def note(self, owner: str, error: EngineError) -> None:
        """Take note of a refusal; what is only not known yet is none."""
        observe_limits.order_refused(owner, error)
        if not isinstance(error, LimitExceeded):
            return
        key = owner, error.code
        found = self._sums.get(key)
        if found is None:
            if len(self._sums) >= KEYS_MAX:
                return
            found = self._sums[key] = _Sum(error.members, get_request_id() or "")
        elif not found.count:
            found.members, found.request_id = error.members, get_request_id() or ""
        found.count += 1

    async def run(self) -> None:
        """Write until cancelled, and then what is left."""
        try:
            while True:
                await asyncio.sleep(INTERVAL_S)
                await self.write(asyncio.get_running_loop().time() - QUIET_S)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self.write(asyncio.get_running_loop().time())

    async def write(self, before_s: float) -> None:
        """Write the sums of which none was written after a time, by the loop's clock."""
        due = [
            key
            for key, each in self._sums.items()
            if each.written_at_s is None or each.written_at_s <= before_s
        ]
        for key in due:
            found = self._sums[key]
            if not found.count:
                del self._sums[key]
                continue
            try:
                await self._append(*key, found)
            except DATABASE_ERRORS as error:
                observe_limits.refusals_not_written(error)
                return

    async def _append(self, owner: str, code: str, found: _Sum) -> None:
        actor = Actor(ENGINE.who, request_id=found.request_id)
        count = found.count
        data = {"owner": owner, "code": code, **found.members, "orders": count}
        async with self._pool.acquire() as connection, connection.transaction():
            await append_entry(connection, actor, "orders_refused", data)
        found.count -= count
        found.written_at_s = asyncio.get_running_loop().time()
