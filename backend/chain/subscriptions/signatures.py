"""Subscriptions to signatures: news of a sent transaction before the next poll asks for it.

A notification is a hint. It may be lost, doubled, late, or false; so the transaction itself is
then fetched from the node, and only a transaction with this signature in a confirmed block counts.
If the node does not return it, or the connection is lost, the signature is polled at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from backend.chain.rpc.results import LandedTransaction
from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError

SIGNATURES_MAX: Final = 500
"""Most signatures to subscribe to at once."""
WINDOW_S: Final = 0.25
WINDOW_MAX: Final = 100
"""With more in one window, each poll serves so many that subscriptions would take more time of the
processor than they save."""


class NodeNotifications(Protocol):
    """The part of ``NodeSubscriptions`` that is needed here."""

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

    def finish(self, subscription: Subscription) -> None:
        """Forget a subscription that the node has ended itself."""
        ...


class _FollowedSignature:
    """A signature that is followed ``holders`` times, with what is known of it."""

    __slots__ = ("holders", "is_fetched", "landed", "subscription")

    def __init__(self, subscription: Subscription) -> None:
        self.holders = 1
        self.subscription: Subscription | None = subscription
        self.is_fetched = False
        """Whether it was notified and is being fetched."""
        self.landed: LandedTransaction | None = None


class SignatureSubscriptions:
    """The signatures that are subscribed to.

    ``fetch`` requests one transaction. ``on_landed`` is called with a signature and its
    transaction in a confirmed block; ``on_doubt`` with one that is to be polled now.
    """

    def __init__(
        self,
        notifications: NodeNotifications,
        fetch: Callable[[str], asyncio.Future[LandedTransaction | None]],
        *,
        on_landed: Callable[[str, LandedTransaction], None],
        on_doubt: Callable[[str], None],
    ) -> None:
        self._notifications = notifications
        self._fetch = fetch
        self._on_landed = on_landed
        self._on_doubt = on_doubt
        self._followed: dict[str, _FollowedSignature] = {}
        self._window_at = 0.0
        self._window_count = self._previous_count = 0

    def follow(self, signature: str) -> None:
        """Subscribe to a signature, unless there are too many; ``release`` has to follow."""
        is_busy = self._count_is_high()
        followed = self._followed.get(signature)
        if followed is not None:
            followed.holders += 1
        elif not is_busy and len(self._followed) < SIGNATURES_MAX:
            subscription = Subscription(
                SubscriptionKind.SIGNATURE,
                [signature, {"commitment": Commitment.CONFIRMED}],
                partial(self._receive, signature),
                on_lost=partial(self._on_doubt, signature),
            )
            if self._notifications.add(subscription):
                self._followed[signature] = _FollowedSignature(subscription)

    def _count_is_high(self) -> bool:
        """Count a signature; whether this window or the one before has had too many."""
        now = asyncio.get_running_loop().time()
        age_s = now - self._window_at
        if age_s >= WINDOW_S:
            self._previous_count = self._window_count if age_s < 2 * WINDOW_S else 0
            self._window_at, self._window_count = now, 0
        self._window_count += 1
        return max(self._window_count, self._previous_count) > WINDOW_MAX

    def release(self, signature: str) -> None:
        """End what ``follow`` began; a signature that is not followed is ignored."""
        followed = self._followed.get(signature)
        if followed is None:
            return
        followed.holders -= 1
        if followed.holders <= 0:
            del self._followed[signature]
            if followed.subscription is not None:
                self._notifications.remove(followed.subscription)

    def is_live(self, signature: str) -> bool:
        """Whether news of a signature is to be expected without a poll."""
        followed = self._followed.get(signature)
        if followed is None or followed.subscription is None:
            return followed is not None and followed.is_fetched
        return followed.subscription.number is not None and self._notifications.is_live

    def get_landed(self, signature: str) -> LandedTransaction | None:
        """The transaction of a signature, if it is known already."""
        followed = self._followed.get(signature)
        return None if followed is None else followed.landed

    def _receive(self, signature: str, result: Any) -> None:
        followed = self._followed.get(signature)
        if followed is None or followed.subscription is None:
            return
        if not isinstance(result["value"], dict):
            return  # it was received only
        self._notifications.finish(followed.subscription)
        followed.subscription = None
        followed.is_fetched = True
        try:
            fetched = self._fetch(signature)
        except EngineError:  # too much is waiting
            followed.is_fetched = False
            self._on_doubt(signature)
        else:
            fetched.add_done_callback(partial(self._settle, signature))

    def _settle(self, signature: str, fetched: asyncio.Future[LandedTransaction | None]) -> None:
        if fetched.cancelled():
            return
        landed = None if fetched.exception() is not None else fetched.result()
        followed = self._followed.get(signature)
        if followed is not None:
            followed.is_fetched, followed.landed = False, landed
        if landed is None:
            self._on_doubt(signature)
        else:
            self._on_landed(signature, landed)
