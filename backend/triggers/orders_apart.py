"""What waits for something other than a price: its kinds are watched apart from the books."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Protocol
from uuid import UUID

from backend.domain.conditions import Condition
from backend.store.waiting.waiting_orders import WaitingRecord

LATEST: Final = 10**9
"""A ``seq`` that no order has: whatever is known of it is older."""


class OrdersApart(Protocol):
    """Orders that wait for something other than a price, and what watches them."""

    def __len__(self) -> int: ...

    def __contains__(self, order_id: object) -> bool: ...

    def __iter__(self) -> Iterator[UUID]: ...

    def knows(self, order_id: UUID, seq: int) -> bool:
        """Whether an order is watched as of its row with this ``seq``, or a later one."""
        ...

    def takes(self, condition: Condition) -> bool:
        """Whether an order with this condition belongs here."""
        ...

    def add(self, record: WaitingRecord, shard: int, now: float) -> None:
        """Watch an order; a newer record of it replaces an older one."""
        ...

    def remove(self, order_id: UUID, seq: int = LATEST) -> None:
        """Watch an order no more, unless what is known of it is newer than ``seq``."""
        ...

    def drop_shards(self, shards: Collection[int]) -> None:
        """Watch the orders of these shards no more."""
        ...

    async def run(self) -> None:
        """Watch until cancelled."""
        ...
