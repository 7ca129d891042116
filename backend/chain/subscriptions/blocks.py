"""Subscriptions to the blocks that mention a wallet, one for each wallet that has sent lately.

Few nodes have them (``--rpc-pubsub-enable-block-subscription``). Where one does, a block tells all
at once which transactions of the wallet have landed and what they did, however many they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from solders.pubkey import Pubkey

from backend.chain.subscriptions.notified_blocks import NotifiedBlock, read_block
from backend.chain.subscriptions.subscription import Json, Subscription, SubscriptionKind
from backend.chain.wire import Commitment

UNUSED_S: Final = 60.0
"""The blocks of a wallet that has sent nothing for so long are not subscribed to any more."""
MISSED_S: Final = 5.0
"""A landed transaction whose block is not told within this time shows that none is told."""
RETRY_S: Final = 1.0
"""Wait after a subscription that could not be made, before the next is tried."""
_OPTIONS: Final = {
    "commitment": Commitment.CONFIRMED,
    "encoding": "base64",
    "transactionDetails": "full",
    "showRewards": False,
    # Others may mention a wallet in theirs: one of a newer version would spoil the whole block.
    "maxSupportedTransactionVersion": 1,
}


def list_block_params(wallet: Pubkey) -> list[Json]:
    """The parameters of a subscription to the blocks that mention a wallet."""
    return [{"mentionsAccountOrProgram": str(wallet)}, _OPTIONS]


class NodeNotifications(Protocol):
    """The part of ``NodeSubscriptions`` that is needed here."""

    is_of_node: bool
    """Whether the host that tells is the one that is asked."""

    @property
    def is_live(self) -> bool:
        """Whether notifications arrive at present, as far as is known."""
        ...

    @property
    def tip_slot(self) -> int | None:
        """The newest slot that the open connection has told."""
        ...

    def add(self, subscription: Subscription) -> bool:
        """Subscribe; ``False`` if that is not possible now."""
        ...

    def remove(self, subscription: Subscription) -> None:
        """End a subscription."""
        ...

    def finish(self, subscription: Subscription) -> None:
        """Forget a subscription that the node has ended itself."""
        ...

    def pause(self, kind: SubscriptionKind, reason: str) -> None:
        """End all subscriptions of a kind, and make none for a while."""
        ...


class _Wallet:
    """A wallet with ``followed`` signatures, or that had some lately."""

    __slots__ = ("confirmed_at", "followed", "missed_at", "subscription", "timer", "unused_since")

    def __init__(self) -> None:
        self.subscription: Subscription | None = None
        self.confirmed_at = 0.0
        self.followed = 0
        self.unused_since = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.missed_at: float | None = None
        """When a landing became known that no block has told; ``None`` if one came since."""


class BlockSubscriptions:
    """The wallets whose blocks are subscribed to, by the bytes of their addresses.

    ``on_block`` is called with each block, ``on_doubt`` with a wallet of which blocks may have been
    missed, so that its signatures have to be polled.
    """

    def __init__(
        self,
        notifications: NodeNotifications,
        *,
        on_block: Callable[[bytes, NotifiedBlock], None],
        on_doubt: Callable[[bytes], None],
    ) -> None:
        self._notifications = notifications
        self._on_block = on_block
        self._on_doubt = on_doubt
        self._wallets: dict[bytes, _Wallet] = {}
        self._refused_until = 0.0

    def follow(self, key: bytes) -> bool:
        """Subscribe to a wallet's blocks, once for all that follow it; ``release`` has to follow.

        ``False`` if that is not possible now: then nothing has begun.
        """
        wallet = self._wallets.get(key)
        if wallet is not None and wallet.missed_at is not None:
            self._give_up_if_deaf(wallet.missed_at)
        if wallet is None or wallet.subscription is None:
            subscription = self._subscribe(key)
            if subscription is None:
                return False
            wallet = self._wallets.setdefault(key, wallet or _Wallet())
            wallet.subscription = subscription
        wallet.followed += 1
        return True

    def release(self, key: bytes) -> None:
        """End what ``follow`` began."""
        wallet = self._wallets[key]
        wallet.followed -= 1
        if wallet.followed:
            return
        if wallet.subscription is None:
            self._forget(key, wallet)
            return
        loop = asyncio.get_running_loop()
        wallet.unused_since = loop.time()
        if wallet.timer is None:
            wallet.timer = loop.call_later(UNUSED_S, self._end_if_unused, key)

    def is_live(self, key: bytes) -> bool:
        """Whether the blocks of a wallet are told at present, as far as is known."""
        wallet = self._wallets.get(key)
        if wallet is None or wallet.subscription is None or wallet.subscription.number is None:
            return False
        return self._notifications.is_live

    def note_missed(self, key: bytes, followed_at: float) -> None:
        """Take note of a landing, followed since a time, that became known by no block."""
        wallet = self._wallets.get(key)
        if wallet is None or not self.is_live(key) or followed_at < wallet.confirmed_at:
            return  # its block may have come before the subscription
        if wallet.missed_at is None:
            wallet.missed_at = asyncio.get_running_loop().time()

    def _subscribe(self, key: bytes) -> Subscription | None:
        now = asyncio.get_running_loop().time()
        if now < self._refused_until:
            return None
        subscription = Subscription(
            SubscriptionKind.BLOCK,
            list_block_params(Pubkey(key)),
            partial(self._receive, key),
            on_confirmed=partial(self._note_confirmed, key),
            on_lost=partial(self._note_lost, key),
        )
        if self._notifications.add(subscription):
            return subscription
        self._refused_until = now + RETRY_S
        return None

    def _receive(self, key: bytes, result: Any) -> None:
        """Receive a block. Raises what malformed JSON raises, and has its wallet polled."""
        wallet = self._wallets.get(key)
        if wallet is None:
            return
        try:
            block = read_block(result)
        except (KeyError, TypeError, ValueError, OverflowError):
            self._note_failure(key, wallet)
            raise
        if block is None:
            self._note_failure(key, wallet)
            return
        wallet.missed_at = None
        self._on_block(key, block)

    def _note_failure(self, key: bytes, wallet: _Wallet) -> None:
        """A block was not told: one that is told later makes up for it."""
        if wallet.missed_at is None:
            wallet.missed_at = asyncio.get_running_loop().time()
        self._on_doubt(key)
        self._give_up_if_deaf(wallet.missed_at)

    def _give_up_if_deaf(self, missed_at: float) -> None:
        if asyncio.get_running_loop().time() - missed_at > MISSED_S:
            self._notifications.pause(SubscriptionKind.BLOCK, "blocks are not told")

    def _note_confirmed(self, key: bytes) -> None:
        wallet = self._wallets.get(key)
        if wallet is not None:
            wallet.confirmed_at = asyncio.get_running_loop().time()
            self._on_doubt(key)  # blocks that were confirmed before are not told

    def _note_lost(self, key: bytes) -> None:
        wallet = self._wallets.get(key)
        if wallet is None:
            return
        wallet.missed_at = None
        self._on_doubt(key)
        if wallet.subscription is not None and wallet.subscription.is_refused:
            wallet.subscription = None
            if not wallet.followed:
                self._forget(key, wallet)

    def _end_if_unused(self, key: bytes) -> None:
        wallet, loop = self._wallets[key], asyncio.get_running_loop()
        wallet.timer = None
        if wallet.followed:
            return
        left_s = wallet.unused_since + UNUSED_S - loop.time()
        if left_s > 0:
            wallet.timer = loop.call_later(left_s, self._end_if_unused, key)
            return
        if wallet.subscription is not None:
            self._notifications.remove(wallet.subscription)
        self._forget(key, wallet)

    def _forget(self, key: bytes, wallet: _Wallet) -> None:
        del self._wallets[key]
        if wallet.timer is not None:
            wallet.timer.cancel()
