"""The node's notifications of signatures, as unreliable as they may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Final

from backend.chain.subscriptions.subscription import Subscription
from backend.chain.wire import Commitment
from tests.simulation.model.chain import ChainModel
from tests.simulation.model.network import NetworkFaults

LOOK_S: Final = 0.1
LATE_MAX_S: Final = 5.0
LATENCY_MAX_S: Final = 0.02


class NotificationsModel:
    """One process's subscriptions: a notification may be lost, doubled, late, or false."""

    def __init__(
        self, chain: ChainModel, network: NetworkFaults, random: Random, now: Callable[[], float]
    ) -> None:
        self._chain = chain
        self._network = network
        self._random = random
        self._now = now
        self._wanted: set[Subscription] = set()

    @property
    def is_live(self) -> bool:
        return not self._network.is_down

    def add(self, subscription: Subscription) -> bool:
        if self._random.random() < 0.1:
            return False  # refused
        self._wanted.add(subscription)
        self._call_later(self._random.uniform(0, LATENCY_MAX_S), self._confirm, subscription)
        return True

    def remove(self, subscription: Subscription) -> None:
        self._wanted.discard(subscription)

    def finish(self, subscription: Subscription) -> None:
        self._wanted.discard(subscription)

    def _confirm(self, subscription: Subscription) -> None:
        subscription.number = 1
        chance = self._random.random()
        if chance < 0.1:
            self._notify(subscription)  # false
        elif chance < 0.3:
            self._call_later(self._random.uniform(0, 2), self._lose, subscription)
        else:
            self._look(subscription)

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
