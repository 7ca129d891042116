"""Finds what subscribers have to be told: slots, changed accounts, what has landed.

Slots and accounts are looked at when a slot starts, and accounts also after transactions have
landed, at most ten times in a slot. As with reads, an account is told as it is in the newest
block, with the slot of the commitment. A signature is told as soon as its block has reached the
commitment, and so are blocks (``block_feeds``). Without a subscription nothing runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.simulator.chain.block_producer import BlockProducer
from backend.simulator.chain.chain import Chain
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import FalseNotification, VenueOutage
from backend.simulator.methods.params import INTERNAL_ERROR, Params, RpcError
from backend.simulator.pubsub.block_feeds import BlockFeeds
from backend.simulator.pubsub.subscription import (
    RECEIVED,
    Subscriber,
    Subscription,
    SubscriptionKind,
    parse_subscription,
)
from backend.simulator.wire.transaction_parser import ParsedTransaction
from backend.venues.venue import Account

SUBSCRIPTIONS_MAX: Final = 100_000
_LOOKS_PER_SLOT: Final = 10
_LOOK_DELAY_S: Final = 0.001
"""How long after a landing accounts are looked at: the news of its signature leaves first."""
_HALTED_WAIT_S: Final = 0.1


class Publisher:
    """The subscriptions of all WebSockets; ``run`` must be running."""

    def __init__(self, chain: Chain, block_producer: BlockProducer, faults: FaultRegistry) -> None:
        self._chain = chain
        self._block_producer = block_producer
        self._faults = faults
        self._subscriptions: dict[int, Subscription] = {}
        self._by_signature: dict[str, list[Subscription]] = {}
        self._blocks = BlockFeeds(chain, block_producer, faults)
        self._accounts: dict[Subscription, Pubkey] = {}
        self._programs: dict[Subscription, Pubkey] = {}
        self._last_number = 0
        self._last_slot = 0
        self._looked_at = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._added = asyncio.Event()
        block_producer.on_landed = self._publish_landed
        block_producer.on_received = self._publish_received

    def __len__(self) -> int:
        return len(self._subscriptions)

    def subscribe(
        self, kind: SubscriptionKind, params: Params, subscriber: Subscriber
    ) -> Subscription:
        """Add a subscription. Raises ``RpcError``."""
        subscription = parse_subscription(kind, params, self._last_number, subscriber)
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise RpcError(
                INTERNAL_ERROR,
                "Internal Error: Subscription refused. Node subscription limit reached",
            )
        self._last_number += 1
        self._subscriptions[subscription.number] = subscription
        if kind is SubscriptionKind.ACCOUNT:
            key = Pubkey.from_string(subscription.key)
            self._accounts[subscription] = key
            subscription.sent = self._chain.get_account(key)
        elif kind is SubscriptionKind.PROGRAM:
            program = Pubkey.from_string(subscription.key)
            self._programs[subscription] = program
            subscription.sent_accounts = dict(self._chain.list_program_accounts(program))
        elif kind is SubscriptionKind.BLOCK:
            self._blocks.add(subscription)
        elif kind is SubscriptionKind.SIGNATURE:
            self._by_signature.setdefault(subscription.key, []).append(subscription)
            # After the response: the client does not know the number yet.
            asyncio.get_running_loop().call_soon(self._publish_subscribed, subscription)
        self._added.set()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a subscription; one that has been removed already is ignored."""
        if self._subscriptions.pop(subscription.number, None) is None:
            return
        self._blocks.remove(subscription)
        self._accounts.pop(subscription, None)
        self._programs.pop(subscription, None)
        others = self._by_signature.get(subscription.key)
        if others is not None:
            others.remove(subscription)
            if not others:
                del self._by_signature[subscription.key]

    def is_active(self, subscription: Subscription) -> bool:
        """Whether a subscription has not been removed, nor ended by its last notification."""
        return subscription.number in self._subscriptions

    async def run(self) -> None:
        """Publish at the start of every slot until cancelled."""
        while True:
            if not self._subscriptions:
                self._added.clear()
                await self._added.wait()
            clock = self._chain.clock
            if clock.state.halted_at is not None:
                await asyncio.sleep(_HALTED_WAIT_S)
            else:
                now = clock.time()
                await asyncio.sleep(max(clock.next_slot_time(now) - now, 0))
            self._publish_slot()

    def _publish_slot(self) -> None:
        slot = self._chain.clock.slot()
        if slot == self._last_slot:
            return
        self._last_slot = slot
        result = {
            "parent": slot - 1,
            "root": max(self._chain.slot_at(Commitment.FINALIZED), 0),
            "slot": slot,
        }
        for subscription in self._list_of_kind(SubscriptionKind.SLOT):
            subscription.subscriber.notify(subscription, result)
        self._blocks.publish()
        self._publish_accounts()
        for signature in list(self._by_signature):
            self._publish_signature(signature)

    def _publish_landed(self, transactions: Sequence[ParsedTransaction]) -> None:
        """Tell what has landed, and look at the accounts that this has changed."""
        if self._by_signature:
            for transaction in transactions:
                self._publish_signature(transaction.signature)
        self._blocks.note_landed(transactions)
        if (self._accounts or self._programs) and self._look is None:
            loop = asyncio.get_running_loop()
            interval_s = self._chain.options.slot_s / _LOOKS_PER_SLOT
            at = max(self._looked_at + interval_s, loop.time() + _LOOK_DELAY_S)
            self._look = loop.call_at(at, self._publish_accounts)

    def _publish_received(self, transaction: ParsedTransaction) -> None:
        self._blocks.note_received(transaction)
        for subscription in self._by_signature.get(transaction.signature, ()):
            if subscription.has_received:
                slot = self._chain.slot_at(Commitment.PROCESSED)
                result = {"context": {"slot": slot}, "value": RECEIVED}
                subscription.subscriber.notify(subscription, result)

    def _publish_accounts(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._looked_at = asyncio.get_running_loop().time()
        self._publish_programs()
        pools, slot = self._chain.pools, self._chain.clock.slot()
        accounts = [
            (subscription, key, self._chain.get_account(key, slot))
            for subscription, key in self._list_readable()
        ]
        changed = {
            subscription
            for subscription, _, account in accounts
            if account is not subscription.sent and account != subscription.sent
        }
        # A swap writes all accounts of its pool, also those that it leaves as they are.
        swapped = {pools.find_swapped_pool(key) for each, key, _ in accounts if each in changed}
        swapped.discard(None)
        for subscription, key, account in accounts if changed else ():
            if subscription in changed or pools.find_swapped_pool(key) in swapped:
                self._publish_account(subscription, account)

    def _list_readable(self) -> Iterable[tuple[Subscription, Pubkey]]:
        """The accounts that are subscribed to, without those that a fault hides."""
        if not self._faults.is_armed(VenueOutage):
            return self._accounts.items()
        return [each for each in self._accounts.items() if self._is_readable(each[1])]

    def _publish_account(self, subscription: Subscription, account: Account | None) -> None:
        subscription.sent = account
        slot = self._chain.slot_at(subscription.commitment)
        result = subscription.build_account_result(slot, account)
        subscription.subscriber.notify(subscription, result)

    def _publish_programs(self) -> None:
        for program in set(self._programs.values()):
            accounts = list(self._chain.list_program_accounts(program))
            for subscription, of_program in self._programs.items():
                if of_program == program:
                    self._publish_program(subscription, accounts)

    def _publish_program(
        self, subscription: Subscription, accounts: Sequence[tuple[Pubkey, Account]]
    ) -> None:
        assert subscription.filters is not None, "a subscription to a program has filters"
        slot = self._chain.slot_at(subscription.commitment)
        for key, account in accounts:
            is_meant = self._is_readable(key) and subscription.filters.match(account)
            if is_meant and account != subscription.sent_accounts.get(key):
                subscription.sent_accounts[key] = account
                result = subscription.build_program_result(slot, key, account)
                subscription.subscriber.notify(subscription, result)

    def _is_readable(self, key: Pubkey) -> bool:
        dex = self._chain.pools.find_dex(key)
        return dex is None or not self._faults.is_armed(
            VenueOutage, lambda fault: fault.venue == dex
        )

    def _publish_subscribed(self, subscription: Subscription) -> None:
        """Tell a signature that has landed before its subscription came."""
        if not self.is_active(subscription):
            return
        if self._faults.trigger(FalseNotification) is not None:
            self._notify_outcome(subscription, None)
        else:
            self._publish_signature(subscription.key)

    def _publish_signature(self, signature: str) -> None:
        subscriptions = self._by_signature.get(signature)
        if subscriptions is None or self._block_producer.is_status_hidden(signature):
            return
        status = self._chain.find_status(signature, search_history=False)
        if status is None:
            return
        slot, err = status
        commitment = self._chain.commitment_of(slot)
        for subscription in list(subscriptions):
            if subscription.is_reached(commitment):
                self._notify_outcome(subscription, err)

    def _notify_outcome(self, subscription: Subscription, err: object) -> None:
        """Send the only notification of an outcome, which ends the subscription."""
        self.unsubscribe(subscription)
        slot = self._chain.slot_at(subscription.commitment)
        result = {"context": {"slot": slot}, "value": {"err": err}}
        subscription.subscriber.notify(subscription, result)

    def _list_of_kind(self, kind: SubscriptionKind) -> Iterator[Subscription]:
        return iter([each for each in self._subscriptions.values() if each.kind is kind])
