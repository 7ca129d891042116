"""Blocks as subscribers are told them: each once it has reached the commitment.

Equal subscriptions are one feed, whose blocks are encoded once. Where blocks are confirmed while
they fill, a block is told in parts. One that the node cannot read is told as an error, and again
with the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from backend.simulator.chain.block_producer import BlockProducer
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.receipts import Receipt
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import BlockFailure, FalseNotification
from backend.simulator.methods.params import Json, RpcError
from backend.simulator.methods.transaction_json import encode_wire, receipt_to_json
from backend.simulator.pubsub.subscription import BlockParameters, Subscription
from backend.simulator.wire.transaction_parser import ParsedTransaction

_STORE_ERROR: Final = "BlockStoreError"
_FALSE_FEE: Final = 5_000

_Listed = tuple[int, str]
"""Slot and signature of a landed transaction."""
_Fragments = dict[tuple[str, str, bool], orjson.Fragment]
"""Encoded transactions by signature, encoding, and whether their version is told."""


class _Feed:
    def __init__(self, parameters: BlockParameters, next_slot: int) -> None:
        self.parameters = parameters
        self.subscriptions: list[Subscription] = []
        self.next_slot = next_slot
        self.untold: list[_Listed] = []

    def is_due(self, newest_slot: int) -> bool:
        """Whether a block has to be told: of all blocks, also an empty one."""
        if self.parameters.mentions is None and self.next_slot <= newest_slot:
            return True
        return bool(self.untold) and self.untold[0][0] <= newest_slot


class BlockFeeds:
    """The subscriptions to blocks."""

    def __init__(self, chain: Chain, block_producer: BlockProducer, faults: FaultRegistry) -> None:
        self._chain = chain
        self._block_producer = block_producer
        self._faults = faults
        self._feeds: dict[BlockParameters, _Feed] = {}

    def add(self, subscription: Subscription) -> None:
        """Tell a subscription the blocks that reach its commitment from now on."""
        assert subscription.block is not None, "a subscription to blocks has its parameters"
        feed = self._feeds.get(subscription.block)
        if feed is None:
            next_slot = self._chain.slot_at(subscription.block.commitment) + 1
            feed = self._feeds[subscription.block] = _Feed(subscription.block, next_slot)
        feed.subscriptions.append(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Tell a subscription nothing any more; any other kind is ignored."""
        feed = self._feeds.get(subscription.block) if subscription.block is not None else None
        if feed is not None:
            feed.subscriptions.remove(subscription)
            if not feed.subscriptions:
                del self._feeds[feed.parameters]

    def note_landed(self, transactions: Iterable[ParsedTransaction]) -> None:
        """Take note of transactions that have landed, and tell what is confirmed by now."""
        if not self._feeds:
            return
        for transaction in transactions:
            feeds = self._find_feeds(transaction)
            receipt = self._chain.ledger.find_receipt(transaction.signature) if feeds else None
            if receipt is not None:
                for feed in feeds:
                    feed.untold.append((receipt.slot, transaction.signature))
        self.publish()

    def note_received(self, transaction: ParsedTransaction) -> None:
        """Take note of a transaction that was sent: a fault tells another as it at once."""
        for feed in self._find_feeds(transaction):
            if self._faults.trigger(FalseNotification) is not None:
                slot = self._chain.slot_at(feed.parameters.commitment)
                self._notify(feed, slot, self._build_block(slot) | _build_false(transaction))

    def _find_feeds(self, transaction: ParsedTransaction) -> list[_Feed]:
        return [
            feed
            for feed in self._feeds.values()
            if feed.parameters.mentions is None or feed.parameters.mentions in transaction.keys
        ]

    def publish(self) -> None:
        """Tell the blocks that have reached the commitment of their feed."""
        fragments: _Fragments = {}
        for feed in list(self._feeds.values()):
            newest_slot = self._chain.slot_at(feed.parameters.commitment)
            if not feed.is_due(newest_slot):
                continue
            for slot, receipts in sorted(self._take_due(feed, newest_slot).items()):
                if self._faults.trigger(BlockFailure) is not None:
                    feed.untold[:0] = [(slot, signature) for signature in receipts]
                    self._notify(feed, slot, None, _STORE_ERROR)
                    continue
                try:
                    content = self._encode(feed.parameters, receipts, fragments)
                except RpcError:
                    self._notify(feed, slot, None, {"UnsupportedTransactionVersion": 0})
                else:
                    self._notify(feed, slot, self._build_block(slot) | content)

    def _take_due(self, feed: _Feed, newest_slot: int) -> dict[int, dict[str, Receipt]]:
        """Take what is to be told now, by slot and signature."""
        due: dict[int, dict[str, Receipt]] = {}
        if feed.parameters.mentions is None:
            due = {slot: {} for slot in range(feed.next_slot, newest_slot + 1)}
        feed.next_slot = max(feed.next_slot, newest_slot + 1)
        untold, feed.untold = feed.untold, []
        for slot, signature in untold:
            if slot > newest_slot or self._block_producer.is_status_hidden(signature):
                feed.untold.append((slot, signature))
                continue
            receipt = self._chain.ledger.find_receipt(signature)
            if receipt is not None and receipt.slot == slot:  # else it was rolled back
                due.setdefault(slot, {})[signature] = receipt
        return due

    def _build_block(self, slot: int) -> dict[str, Json]:
        clock = self._chain.clock
        height = clock.height(slot)
        return {
            "blockHeight": height,
            "blockTime": clock.unix_time(slot),
            "blockhash": str(clock.blockhash(height)),
            "parentSlot": slot - 1,
            "previousBlockhash": str(clock.blockhash(height - 1)),
        }

    def _encode(
        self, parameters: BlockParameters, receipts: dict[str, Receipt], fragments: _Fragments
    ) -> dict[str, Json]:
        """What a block tells of its transactions. Raises ``RpcError`` for a version of theirs."""
        content: dict[str, Json] = {"rewards": []} if parameters.has_rewards else {}
        if parameters.details == "signatures":
            content["signatures"] = list(receipts)
        elif parameters.details == "full":
            content["transactions"] = [
                self._encode_transaction(parameters, signature, receipt, fragments)
                for signature, receipt in receipts.items()
            ]
        return content

    def _encode_transaction(
        self, parameters: BlockParameters, signature: str, receipt: Receipt, fragments: _Fragments
    ) -> orjson.Fragment:
        key = signature, parameters.encoding, parameters.version is None
        fragment = fragments.get(key)
        if fragment is None:
            launches = self._chain.launches
            content = receipt_to_json(receipt, parameters.encoding, parameters.version, launches)
            fragment = fragments[key] = orjson.Fragment(orjson.dumps(content))
        return fragment

    def _notify(self, feed: _Feed, slot: int, block: Json, err: Json = None) -> None:
        value = {"slot": slot, "block": block, "err": err}
        result = orjson.Fragment(orjson.dumps({"context": {"slot": slot}, "value": value}))
        for subscription in list(feed.subscriptions):
            subscription.subscriber.notify(subscription, result)


def _build_false(transaction: ParsedTransaction) -> dict[str, Sequence[Json]]:
    """A transaction that has the signature of another, but not its bytes."""
    wire = transaction.wire[:-1] + bytes([transaction.wire[-1] ^ 1])
    balances = [0] * len(transaction.keys)
    meta = {
        "err": None,
        "fee": _FALSE_FEE,
        "logMessages": [],
        "postBalances": balances,
        "preBalances": balances,
        "status": {"Ok": None},
    }
    transaction_json = encode_wire(wire, "base64")
    content = {"meta": meta, "transaction": transaction_json, "version": transaction.version}
    return {"transactions": [content]}
