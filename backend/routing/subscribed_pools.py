"""The pools that the node's notifications keep current, so that a quote reads nothing.

A pool is subscribed to when it is read for a quote, and no longer once none has asked for it for a
while. It is quoted from notifications only as long as all of this holds:

- the node has confirmed the subscription to each of its accounts, and all of them were read in one
  request since, at a slot that the node reached after it had confirmed them;
- what was notified since is complete: a swap changes the pool and both of its vaults in one slot,
  so a part of them means that the rest is still on its way, late or lost;
- the node has told a slot of late, and the pool is at most ``slots_max`` slots behind it;
- a read has verified it in the last ``VERIFIED_S_MAX``: reads follow each other in the background
  while it is quoted, so that a change of which every notification was lost is found.

Otherwise it is read, as without subscriptions, and that read is the next one to start from. A
notification of an older slot, or one that repeats what is known, changes nothing. What is believed
of the node is what its reads are believed as well: the bytes of an account at a slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from solders.pubkey import Pubkey

from backend.chain.rpc.results import read_account
from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.venues.spl import is_token_account
from backend.venues.venue import Account, Pool, Venue

SETTLE_S: Final = 0.003
"""Notifications that come within this time of each other take effect together."""
VERIFY_S: Final = 5.0
"""After this time a quote asks for a read in the background."""
VERIFIED_S_MAX: Final = 10.0
"""After this time a quote waits for a read."""
UNUSED_S: Final = 20.0
POOLS_MAX: Final = 100
"""Most pools that are subscribed to at once, of all venues."""


class NodeNotifications(Protocol):
    """The part of ``NodeSubscriptions`` that is needed here."""

    @property
    def tip_slot(self) -> int | None:
        """The newest slot that was told on the open connection."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether notifications arrive at present, as far as is known."""
        ...

    def add(self, subscription: Subscription) -> bool:
        """Subscribe; ``False`` if that is not possible now."""
        ...

    def remove(self, subscription: Subscription) -> None:
        """End a subscription."""
        ...


class _SubscribedAccount:
    """An account as it was last read or notified, and the pools that are quoted from it."""

    __slots__ = ("account", "confirmed_at", "confirmed_slot", "pools", "slot", "subscription")

    def __init__(self) -> None:
        self.subscription: Subscription | None = None
        self.confirmed_at: float | None = None
        self.confirmed_slot: int | None = None
        """The node's newest slot when the subscription was confirmed."""
        self.slot = -1
        self.account: Account | None = None
        self.pools: set[_SubscribedPool] = set()


class _SubscribedPool:
    """A pool; ``is_trusted`` while it was read since its subscriptions were confirmed."""

    __slots__ = (
        "address",
        "changed",
        "checked_tip",
        "decoded",
        "is_trusted",
        "keys",
        "moving",
        "used_at",
        "venue",
        "verified_at",
        "verify_at",
    )

    def __init__(self, venue: Venue, address: Pubkey, accounts: Mapping[Pubkey, Any]) -> None:
        self.venue = venue
        self.address = address
        self.keys: Sequence[Pubkey] = tuple(accounts)
        self.moving = frozenset(
            key
            for key, account in accounts.items()
            if key == address or (account is not None and is_token_account(account))
        )
        """The accounts that every swap changes."""
        self.changed: set[Pubkey] = set()
        self.decoded: Pool | None = None
        self.is_trusted = False
        self.used_at = self.verified_at = self.verify_at = 0.0
        self.checked_tip: int | None = None
        """The newest slot of the chain for which it was decoded."""


class SubscribedPools:
    """The pools of all venues that are subscribed to; ``run`` must be running."""

    def __init__(self, notifications: NodeNotifications, *, slots_max: int) -> None:
        self._notifications = notifications
        self._slots_max = slots_max
        self._pools: dict[Pubkey, _SubscribedPool] = {}
        self._accounts: dict[Pubkey, _SubscribedAccount] = {}
        self._arrived: list[tuple[Pubkey, int, Account | None]] = []

    async def run(self) -> None:
        """End the subscriptions of pools that are not quoted any more, until cancelled."""
        while True:
            await asyncio.sleep(UNUSED_S / 4)
            unused_since = asyncio.get_running_loop().time() - UNUSED_S
            for pool in [pool for pool in self._pools.values() if pool.used_at < unused_since]:
                self._drop(pool)

    def get(self, address: Pubkey) -> Pool | None:
        """A pool in its newest known state; ``None`` if it has to be read."""
        pool = self._pools.get(address)
        if pool is None:
            return None
        now = asyncio.get_running_loop().time()
        pool.used_at = now
        if not pool.is_trusted or pool.changed or now - pool.verified_at > VERIFIED_S_MAX:
            return None
        if not self._notifications.is_live:
            return None
        tip = self._notifications.tip_slot
        if pool.decoded is not None and tip == pool.checked_tip:
            return pool.decoded
        slot = max(self._accounts[key].slot for key in pool.keys)
        if tip is None or abs(tip - slot) > self._slots_max:
            return None
        if pool.decoded is None:
            pool.decoded = self._decode(pool, slot)
        pool.checked_tip = tip
        return pool.decoded

    def take_verification(self, address: Pubkey) -> bool:
        """Whether a read in the background is due to verify a pool: once each time."""
        pool, now = self._pools.get(address), asyncio.get_running_loop().time()
        if pool is None or now < pool.verify_at:
            return False
        pool.verify_at = now + VERIFY_S
        return True

    def store(
        self,
        venue: Venue,
        address: Pubkey,
        accounts: Mapping[Pubkey, Account | None],
        slot: int,
        requested_at: float,
    ) -> None:
        """Start from what a request at ``requested_at`` read; subscribe if that is not done yet."""
        pool = self._pools.get(address)
        if pool is not None and self._is_refused(pool):
            self._drop(pool)
            pool = None
        if pool is None:
            pool = self._subscribe(venue, address, accounts)
            if pool is None:
                return
        entries = [(self._accounts[key], account) for key, account in accounts.items()]
        if any(slot < entry.slot for entry, _ in entries):
            return  # an older state than what was notified
        for entry, account in entries:
            if account != entry.account:
                for other in entry.pools:
                    other.decoded = None
            entry.slot, entry.account = slot, account
        pool.changed.clear()
        pool.decoded = None
        pool.is_trusted = all(self._is_known(entry, slot, requested_at) for entry, _ in entries)
        pool.verified_at = requested_at
        pool.verify_at = requested_at + VERIFY_S

    def _is_refused(self, pool: _SubscribedPool) -> bool:
        subscriptions = (self._accounts[key].subscription for key in pool.keys)
        return any(each is None or each.is_refused for each in subscriptions)

    def _is_known(self, entry: _SubscribedAccount, slot: int, requested_at: float) -> bool:
        """Whether nothing can have changed between this read and what is notified."""
        if entry.confirmed_slot is None:  # the node had told no slot yet
            entry.confirmed_slot = self._notifications.tip_slot
        return (
            entry.confirmed_at is not None
            and entry.confirmed_slot is not None
            and requested_at >= entry.confirmed_at
            and slot >= entry.confirmed_slot
        )

    def _complete(self, pool: _SubscribedPool) -> None:
        """Forget which accounts have changed once it is all that a swap changes, in one slot."""
        slots = {self._accounts[key].slot for key in pool.moving}
        if pool.changed == pool.moving and len(slots) == 1:
            pool.changed.clear()

    def _decode(self, pool: _SubscribedPool, slot: int) -> Pool | None:
        accounts = {key: self._accounts[key].account for key in pool.keys}
        try:
            return pool.venue.decode_pool(pool.address, accounts, slot)
        except EngineError:
            pool.is_trusted = False  # a read shows the error
            return None

    def _subscribe(
        self, venue: Venue, address: Pubkey, accounts: Mapping[Pubkey, Account | None]
    ) -> _SubscribedPool | None:
        if len(self._pools) >= POOLS_MAX:
            return None
        pool = _SubscribedPool(venue, address, accounts)
        pool.used_at = asyncio.get_running_loop().time()
        self._pools[address] = pool
        for key in accounts:
            entry = self._accounts.setdefault(key, _SubscribedAccount())
            entry.pools.add(pool)
            if entry.subscription is None or entry.subscription.is_refused:
                entry.subscription = self._build_subscription(key, entry)
                if not self._notifications.add(entry.subscription):
                    self._drop(pool)
                    return None
        return pool

    def _build_subscription(self, key: Pubkey, entry: _SubscribedAccount) -> Subscription:
        def confirm() -> None:
            entry.confirmed_at = asyncio.get_running_loop().time()
            entry.confirmed_slot = self._notifications.tip_slot

        def lose() -> None:
            entry.confirmed_at = entry.confirmed_slot = None
            entry.slot = -1
            for pool in entry.pools:
                pool.is_trusted = False

        options = {"encoding": "base64", "commitment": Commitment.CONFIRMED}
        return Subscription(
            SubscriptionKind.ACCOUNT,
            [str(key), options],
            partial(self._receive, key),
            on_confirmed=confirm,
            on_lost=lose,
        )

    def _receive(self, key: Pubkey, result: Any) -> None:
        """Keep a notification until those that belong to it have come as well."""
        arrival = key, int(result["context"]["slot"]), read_account(result["value"])
        self._arrived.append(arrival)
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_later(SETTLE_S, self._apply_arrived)

    def _apply_arrived(self) -> None:
        arrived, self._arrived = self._arrived, []
        changed: set[_SubscribedPool] = set()
        for key, slot, account in arrived:
            entry = self._accounts.get(key)
            if entry is None or slot < entry.slot:
                continue  # not needed any more, or late
            if slot == entry.slot and account == entry.account:
                continue  # doubled, or read before
            entry.slot, entry.account = slot, account
            for pool in entry.pools:
                pool.decoded = None
                if key in pool.moving:
                    pool.changed.add(key)
                    changed.add(pool)
        for pool in changed:
            self._complete(pool)

    def _drop(self, pool: _SubscribedPool) -> None:
        del self._pools[pool.address]
        for key in pool.keys:
            entry = self._accounts.get(key)
            if entry is None:
                continue
            entry.pools.discard(pool)
            if not entry.pools:
                del self._accounts[key]
                if entry.subscription is not None:
                    self._notifications.remove(entry.subscription)
