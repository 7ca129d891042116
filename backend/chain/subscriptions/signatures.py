"""Subscriptions for signatures: news of a sent transaction before the next poll asks for it.

Two kinds of notifications bring it, and each may be lost, doubled, late, or false.

That of a signature is a hint: the transaction itself is then fetched from the node, and only a
transaction with this signature in a confirmed block counts.

That of a block has the transaction, as the answer to the fetch would have it: it is from the same
node, at the same commitment. It counts as far as that answer would, so only where one node decides
(``evidence`` says what several have to agree on), and only if all that can be verified holds: its
bytes are those that were sent, its block is not ahead of the node's slots nor past the last height
at which they are valid, and it tells its error and balances. Else it is a hint as well. While the
blocks of its wallet are told, a signature needs no subscription of its own.

If the node does not return a transaction, or the connection is lost, the signature is polled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from backend.chain.rpc.results import LandedTransaction
from backend.chain.subscriptions.blocks import BlockSubscriptions, NodeNotifications
from backend.chain.subscriptions.notified_blocks import (
    NotifiedBlock,
    make_mark,
    read_landed,
    read_mark,
)
from backend.chain.subscriptions.subscription import Json, Subscription, SubscriptionKind
from backend.chain.wire import Commitment, read_fee_payer
from backend.domain.errors import EngineError
from backend.domain.orders import SignedTransaction
from backend.runtime import observe_node

SIGNATURES_MAX: Final = 500
"""Most signatures to subscribe to at once."""
WINDOW_S: Final = 0.25
WINDOW_MAX: Final = 100
"""With more in one window, each poll serves so many that subscriptions would take more time of the
processor than they save."""
UNKNOWN_MAX: Final = 1_024
"""So many told transactions are remembered that were not followed: others may resend them."""
BLOCK: Final = "block"
NOTIFICATION: Final = "notification"


class LandedNews(NamedTuple):
    """A transaction in a confirmed block, and what told of it."""

    landed: LandedTransaction
    source: str


class _FollowedSignature:
    """A signature that is followed ``holders`` times, with what is known of it."""

    __slots__ = (
        "followed_at",
        "holders",
        "is_fetched",
        "mark",
        "news",
        "signed",
        "subscription",
        "wallet",
    )

    def __init__(self, signed: SignedTransaction, wallet: bytes | None, followed_at: float) -> None:
        self.signed = signed
        self.mark = make_mark(signed.wire)
        self.followed_at = followed_at
        self.holders = 1
        self.wallet = wallet
        """The wallet by whose blocks it is followed."""
        self.subscription: Subscription | None = None
        """That of its own."""
        self.is_fetched = False
        """Whether it was notified and is being fetched."""
        self.news: LandedNews | None = None


class SignatureSubscriptions:
    """The signatures that are followed, by the blocks of their wallets or each by itself.

    ``fetch`` requests one transaction. ``on_landed`` is called with a signature and the news of its
    transaction; ``on_doubt`` with one that is to be polled now. ``trusts_blocks`` is whether what
    one node tells decides.
    """

    def __init__(
        self,
        notifications: NodeNotifications,
        fetch: Callable[[str], asyncio.Future[LandedTransaction | None]],
        *,
        trusts_blocks: bool,
        on_landed: Callable[[str, LandedNews], None],
        on_doubt: Callable[[str], None],
    ) -> None:
        self._notifications = notifications
        self._fetch = fetch
        self._trusts_blocks = trusts_blocks
        self._on_landed = on_landed
        self._on_doubt = on_doubt
        self._blocks = BlockSubscriptions(
            notifications, on_block=self._receive_block, on_doubt=self._doubt_wallet
        )
        self._followed: dict[str, _FollowedSignature] = {}
        self._by_mark: dict[str, _FollowedSignature] = {}
        self._unknown_marks: dict[str, None] = {}
        self._subscribed = 0
        self._window_at = 0.0
        self._window_count = self._previous_count = 0

    def follow(self, signed: SignedTransaction) -> None:
        """Expect the news of a transaction; ``release`` has to follow.

        Nothing is subscribed to if that is not possible, or not worth it for so many.
        """
        now = asyncio.get_running_loop().time()
        is_busy = self._count_is_high(now)
        followed = self._followed.get(signed.signature)
        if followed is not None:
            followed.holders += 1
            return
        wallet = read_fee_payer(signed.wire)
        if wallet is not None and not self._blocks.follow(wallet):
            wallet = None
        followed = _FollowedSignature(signed, wallet, now)
        is_told = wallet is not None and self._blocks.is_live(wallet)
        if not is_told and not is_busy and self._subscribed < SIGNATURES_MAX:
            self._subscribe(followed)
        if wallet is None and followed.subscription is None:
            return
        self._followed[signed.signature] = followed
        self._by_mark[followed.mark] = followed
        if self._unknown_marks.pop(followed.mark, followed) is None:
            self._request(followed)

    def _subscribe(self, followed: _FollowedSignature) -> None:
        signature = followed.signed.signature
        subscription = Subscription(
            SubscriptionKind.SIGNATURE,
            [signature, {"commitment": Commitment.CONFIRMED}],
            partial(self._receive, signature),
            on_lost=partial(self._on_doubt, signature),
        )
        if self._notifications.add(subscription):
            followed.subscription = subscription
            self._subscribed += 1

    def _count_is_high(self, now: float) -> bool:
        """Count a signature; whether this window or the one before has had too many."""
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
        if followed.holders > 0:
            return
        del self._followed[signature]
        self._by_mark.pop(followed.mark, None)
        if followed.subscription is not None:
            self._notifications.remove(followed.subscription)
            self._subscribed -= 1
        if followed.wallet is not None:
            self._blocks.release(followed.wallet)

    def is_live(self, signature: str) -> bool:
        """Whether news of a signature is to be expected without a poll."""
        followed = self._followed.get(signature)
        if followed is None:
            return False
        if followed.is_fetched:
            return True
        if followed.wallet is not None and self._blocks.is_live(followed.wallet):
            return True
        subscription = followed.subscription
        is_subscribed = subscription is not None and subscription.number is not None
        return is_subscribed and self._notifications.is_live

    def get_news(self, signature: str) -> LandedNews | None:
        """What is known already of a signature that has landed."""
        followed = self._followed.get(signature)
        return None if followed is None else followed.news

    def note_polled(self, signature: str) -> None:
        """Take note that a poll showed the landing of a signature."""
        followed = self._followed.get(signature)
        if followed is not None and followed.news is None and followed.wallet is not None:
            self._blocks.note_missed(followed.wallet, followed.followed_at)

    def _doubt_wallet(self, wallet: bytes) -> None:
        """Have all signatures polled that nothing but the blocks of a wallet may tell."""
        for signature, followed in self._followed.items():
            if (
                followed.wallet == wallet
                and followed.news is None
                and followed.subscription is None
            ):
                self._on_doubt(signature)

    def _receive(self, signature: str, result: Any) -> None:
        followed = self._followed.get(signature)
        if followed is None or followed.subscription is None:
            return
        if not isinstance(result["value"], dict):
            return  # it was received only
        self._notifications.finish(followed.subscription)
        followed.subscription = None
        self._subscribed -= 1
        self._request(followed)

    def _receive_block(self, wallet: bytes, block: NotifiedBlock) -> None:
        is_whole = True
        for each in block.transactions:
            try:
                mark = read_mark(each)
            except (KeyError, TypeError, IndexError):
                is_whole = False
                continue
            followed = self._by_mark.get(mark)
            if followed is None:
                self._remember(mark)
            elif followed.news is None:
                self._settle_by_block(followed, block, each)
        if not is_whole:
            observe_node.notification_ignored("malformed")
            self._doubt_wallet(wallet)

    def _remember(self, mark: str) -> None:
        self._unknown_marks[mark] = None
        if len(self._unknown_marks) > UNKNOWN_MAX:
            del self._unknown_marks[next(iter(self._unknown_marks))]

    def _settle_by_block(
        self, followed: _FollowedSignature, block: NotifiedBlock, transaction: Json
    ) -> None:
        landed = None
        if self._trusts_blocks:
            tip_slot = self._notifications.tip_slot
            landed = read_landed(followed.signed, block, transaction, tip_slot)
        if landed is None:
            self._request(followed)
            return
        followed.news = LandedNews(landed, BLOCK)
        self._on_landed(followed.signed.signature, followed.news)

    def _request(self, followed: _FollowedSignature) -> None:
        """Fetch the transaction that a notification has hinted at."""
        if followed.is_fetched:
            return
        signature = followed.signed.signature
        try:
            fetched = self._fetch(signature)
        except EngineError:  # too much is waiting
            self._on_doubt(signature)
        else:
            followed.is_fetched = True
            fetched.add_done_callback(partial(self._settle, signature))

    def _settle(self, signature: str, fetched: asyncio.Future[LandedTransaction | None]) -> None:
        if fetched.cancelled():
            return
        landed = None if fetched.exception() is not None else fetched.result()
        followed = self._followed.get(signature)
        if followed is not None:
            followed.is_fetched = False
        if landed is None:
            self._on_doubt(signature)
            return
        news = LandedNews(landed, NOTIFICATION)
        if followed is not None and followed.news is None:
            followed.news = news
        self._on_landed(signature, news)
