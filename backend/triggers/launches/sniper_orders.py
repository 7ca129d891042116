"""The sniper orders that one process watches, by the pair whose pool they wait for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from solders.pubkey import Pubkey

from backend.domain.conditions import Launch
from backend.domain.orders import OrderTerms
from backend.domain.waiting.guards import Guards
from backend.routing.pool_finder import MintPair, sort_pair
from backend.store.waiting.waiting_orders import WaitingRecord

WAIT_S: Final = 0.1
WAIT_S_MAX: Final = 5.0
"""How long an order that no pool suits is left alone, at first and at most."""

NOTE_S: Final = 5.0
"""A reason that changes all the time, as an age does, is not stored more often."""


@dataclass(slots=True, eq=False)
class SniperOrder:
    """An order that waits for a pool, and what was seen of the pools of its pair.

    ``passed`` reads in a row had a pool that passes, the last of ``slot``; a process that takes
    over counts them anew. ``reason`` is why none passes, as it was stored last.
    """

    id: UUID
    seq: int
    owner: str
    terms: OrderTerms
    guards: Guards
    pair: MintPair
    shard: int
    passed: int = 0
    slot: int = -1
    failed: int = 0
    look_at: float = 0.0
    reason: str = ""
    noted_at: float = -NOTE_S

    def pass_pool(self, slot: int) -> bool:
        """Count a read that had a pool that passes; returns whether enough of them agree.

        A read of a slot that was counted already, or of an earlier one, counts nothing.
        """
        self.failed, self.look_at = 0, 0.0
        if slot > self.slot:
            self.passed, self.slot = self.passed + 1, slot
        return self.passed >= self.guards.looks

    def fail(self, now: float, *, is_opening: bool) -> None:
        """Count from the start again, and leave the order alone unless a pool is about to open."""
        self.passed = 0
        self.failed = 0 if is_opening else self.failed + 1
        wait_s = min(WAIT_S * 2 ** min(self.failed, 10), WAIT_S_MAX) if self.failed else 0.0
        self.look_at = now + wait_s

    def look_again(self) -> None:
        """Be judged in the next slot if it is left alone because no pool suited it."""
        if self.failed:
            self.failed, self.look_at = 0, 0.0

    def take_note(self, reason: str, now: float) -> bool:
        """Whether this reason is to be stored: another one than before, and not too soon."""
        if not reason or reason == self.reason or now - self.noted_at < NOTE_S:
            return False
        self.reason, self.noted_at = reason, now
        return True


class SniperOrders:
    """The orders by id and by pair."""

    def __init__(self) -> None:
        self._orders: dict[UUID, SniperOrder] = {}
        self._by_pair: dict[MintPair, dict[UUID, SniperOrder]] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._orders

    def __iter__(self) -> Iterator[UUID]:
        return iter(list(self._orders))

    def knows(self, order_id: UUID, seq: int) -> bool:
        """Whether an order is watched as of its row with this ``seq``, or a later one."""
        known = self._orders.get(order_id)
        return known is not None and known.seq >= seq

    @property
    def pairs(self) -> Collection[MintPair]:
        """The pairs whose pools somebody waits for."""
        return self._by_pair.keys()

    def list_due(self, now: float) -> dict[MintPair, list[SniperOrder]]:
        """The orders that are to be judged now, by pair."""
        due: dict[MintPair, list[SniperOrder]] = {}
        for pair, orders in self._by_pair.items():
            if found := [each for each in orders.values() if each.look_at <= now]:
                due[pair] = found
        return due

    def look_again(self, pairs: Collection[MintPair]) -> None:
        """Leave no order of these pairs alone: each has a pool that it was not judged by."""
        for pair in pairs:
            for order in self._by_pair.get(pair, {}).values():
                order.look_again()

    def add(self, record: WaitingRecord, shard: int) -> SniperOrder | None:
        """Add an order; ``None`` if what is known of it is as new."""
        if self.knows(record.id, record.seq):
            return None
        self.remove(record.id)
        condition, terms = record.condition, record.terms
        assert isinstance(condition, Launch)
        mints = (Pubkey.from_string(token.mint) for token in (terms.token_in, terms.token_out))
        order = SniperOrder(
            record.id,
            record.seq,
            record.owner,
            terms,
            condition.guards,
            sort_pair(*mints),
            shard,
        )
        self._orders[order.id] = order
        self._by_pair.setdefault(order.pair, {})[order.id] = order
        return order

    def remove(self, order_id: UUID, seq: int | None = None) -> SniperOrder | None:
        """Remove an order, unless what is known of it is newer than ``seq``."""
        order = self._orders.get(order_id)
        if order is None or (seq is not None and order.seq > seq):
            return None
        del self._orders[order_id]
        of_pair = self._by_pair[order.pair]
        del of_pair[order_id]
        if not of_pair:
            del self._by_pair[order.pair]
        return order

    def list_of_shards(self, shards: Collection[int]) -> list[UUID]:
        """The ids of the orders of shards."""
        return [each.id for each in self._orders.values() if each.shard in shards]
