"""When stored keys were last used: noted by requests in memory, written beside them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final

from backend.domain.errors import Transient
from backend.store.access.key_store import LAST_USE_INTERVAL_S, KeyStore

WRITE_S: Final = 0.5


class KeyUses:
    """The uses that are not written yet; ``run`` must be running.

    Each key is written once in ``LAST_USE_INTERVAL_S`` at most, by all processes together.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._used: set[str] = set()
        self._written_at_s: dict[str, float] = {}
        self.note = self._used.add
        """Note that a request was authenticated by the key with this id."""

    async def run(self) -> None:
        """Write uses until cancelled."""
        while True:
            await asyncio.sleep(WRITE_S)
            with suppress(Transient):  # logged by the store; the next turn writes it
                await self._write_due()

    async def _write_due(self) -> None:
        now_s = monotonic()
        due = [
            key_id
            for key_id in self._used
            if now_s - self._written_at_s.get(key_id, -inf) >= LAST_USE_INTERVAL_S
        ]
        if not due:
            return
        await self._store.mark_used(due)
        self._used.difference_update(due)
        recent = {
            key_id: at_s
            for key_id, at_s in self._written_at_s.items()
            if now_s - at_s < LAST_USE_INTERVAL_S
        }
        self._written_at_s = recent | dict.fromkeys(due, now_s)
