"""The node's notifications of signatures and blocks, as unreliable as they may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Final

from backend.chain.subscriptions.client import REFUSAL_PAUSE_S
from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.chain.wire import Commitment
from tests.simulation.model.block_news import BlockNews
from tests.simulation.model.chain import ChainModel
from tests.simulation.model.network import NetworkFaults
from tests.simulation.model.node import NodeFaults

LOOK_S: Final = 0.1
LATE_MAX_S: Final = 5.0
LATENCY_MAX_S: Final = 0.02


class NotificationsModel:
    """One process's subscriptions: a notification may be lost, doubled, late, or false.

    Half of the nodes have no subscriptions to blocks.
    """

    is_of_node = True

    def __init__(
        self,
        chain: ChainModel,
        network: NetworkFaults,
        node_faults: NodeFaults,
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self._node_faults = node_faults
        self._chain = chain
        self._network = network
        self._random = random
        self._now = now
        self._wanted: dict[Subscription, None] = {}
        self._has_blocks = random.random() < 0.5
        self._blocks_paused_until = 0.0

    @property
    def is_live(self) -> bool:
        return not self._network.is_down

    @property
    def tip_slot(self) -> int:
        return self._chain.height(self._now())

    def add(self, subscription: Subscription) -> bool:
        if self._random.random() < 0.1:
            return False  # refused
        is_of_blocks = subscription.kind is SubscriptionKind.BLOCK
        if is_of_blocks and self._now() < self._blocks_paused_until:
            return False
        self._wanted[subscription] = None
        self._call_later(self._random.uniform(0, LATENCY_MAX_S), self._confirm, subscription)
        return True

    def remove(self, subscription: Subscription) -> None:
        self._wanted.pop(subscription, None)
        subscription.number = None

    def finish(self, subscription: Subscription) -> None:
        self.remove(subscription)

    def pause(self, kind: SubscriptionKind, reason: str) -> None:
        self._blocks_paused_until = self._now() + REFUSAL_PAUSE_S
        for subscription in [each for each in self._wanted if each.kind is kind]:
            self.remove(subscription)
            subscription.is_refused = True
            subscription.on_lost()

    def _confirm(self, subscription: Subscription) -> None:
        if self._network.is_closed or subscription not in self._wanted:
            return
        if subscription.kind is SubscriptionKind.BLOCK:
            self._confirm_blocks(subscription)
            return
        subscription.number = 1
        chance = self._random.random()
        if chance < 0.1:
            self._notify(subscription)  # false
        elif chance < 0.3:
            self._call_later(self._random.uniform(0, 2), self._lose, subscription)
        else:
            self._look(subscription)

    def _confirm_blocks(self, subscription: Subscription) -> None:
        if not self._has_blocks:
            self.pause(SubscriptionKind.BLOCK, "the node has none")
            return
        subscription.number = 1
        subscription.on_confirmed()
        BlockNews(
            subscription, self._chain, self._network, self._node_faults, self._random, self._now
        ).look()
        if self._random.random() < 0.3:
            self._call_later(self._random.uniform(0, 5), self._reconnect, subscription)

    def _reconnect(self, subscription: Subscription) -> None:
        """Lose the subscription with its connection, and make it anew."""
        if subscription in self._wanted and not self._network.is_closed:
            self._lose(subscription)
            self._call_later(self._random.uniform(0, 2), self._confirm, subscription)

    def _lose(self, subscription: Subscription) -> None:
        subscription.number = None
        if subscription in self._wanted:
            subscription.on_lost()

    def _look(self, subscription: Subscription) -> None:
        if subscription not in self._wanted or self._network.is_closed:
            return
        status = self._chain.signature_status(self._now(), subscription.params[0], search=False)
        if status is None or status.commitment is Commitment.PROCESSED:
            self._call_later(LOOK_S, self._look, subscription)
            return
        chance = self._random.random()
        if chance < 0.2:
            return  # lost
        late_s = self._random.uniform(0, LATE_MAX_S if chance < 0.4 else LATENCY_MAX_S)
        self._call_later(late_s, self._notify, subscription)
        if chance > 0.8:
            self._call_later(late_s, self._notify, subscription)

    def _notify(self, subscription: Subscription) -> None:
        if not self._network.is_down and not self._network.is_closed:
            subscription.receive({"context": {"slot": 1}, "value": {"err": None}})

    def _call_later(
        self, seconds: float, callback: Callable[[Subscription], None], subscription: Subscription
    ) -> None:
        # In a context of its own: a message in flight belongs to no process.
        asyncio.get_running_loop().call_later(seconds, callback, subscription, context=Context())
