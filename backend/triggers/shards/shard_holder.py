"""The shards that one process watches: claimed, renewed, divided evenly between the processes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from backend.store.waiting.trigger_shards import SHARDS, TriggerShards

CLAIM_MAX: Final = 16
"""Most shards that are claimed at once: processes that start together share them."""


class ShardHolder:
    """Holds shards by leases. Every method raises ``DATABASE_ERRORS``."""

    def __init__(self, shards: TriggerShards, holder: UUID) -> None:
        self._shards = shards
        self.id = holder

    async def renew(self, held: Collection[int]) -> set[int]:
        """Extend the leases of shards; returns those that this process still holds."""
        return await self._shards.renew(self.id, held) if held else set()

    async def balance(self, held: Collection[int]) -> tuple[set[int], set[int]]:
        """Claim free shards up to an even share, or release what exceeds it.

        Returns the claimed and the released ones.
        """
        watchers = await self._shards.count_watchers(self.id)
        share = -(-SHARDS // watchers)
        if len(held) > share:
            excess = set(sorted(held)[share:])
            await self._shards.release(self.id, excess)
            return set(), excess
        at_most = min(share - len(held), CLAIM_MAX)
        return (await self._shards.claim(self.id, at_most=at_most) if at_most else set()), set()

    async def release_all(self) -> None:
        """Release all shards of this process, so that others may have them at once."""
        await self._shards.release(self.id)
        await self._shards.forget_watcher(self.id)
