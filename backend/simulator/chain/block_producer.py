"""Block production: accepted transactions stay in the mempool and land when they are due.

The producer sleeps while the mempool is empty. Transactions that are due together are executed
and stored together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.chain.chain import Chain, FaultInjection
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import (
    LateLanding,
    LateStatus,
    PriceMove,
    SwapFailure,
    TransactionDrop,
    resolve_pair,
)
from backend.simulator.state.mempool import Mempool
from backend.simulator.wire.transaction_parser import ParsedTransaction
from backend.venues.hosting import HostedPool

_BATCH_MAX: Final = 64
"""Transactions executed before requests get a turn on the event loop."""


class BlockProducer:
    """Takes accepted transactions into blocks, and applies the faults on that path."""

    def __init__(self, chain: Chain, faults: FaultRegistry) -> None:
        self._chain = chain
        self._faults = faults
        self._random = Random(chain.options.seed)  # noqa: S311 - repeatable, not secret
        self._change_event = asyncio.Event()
        self._hidden_until: dict[str, float] = {}
        self._fault_injection = FaultInjection(self._draw_failure, self._draw_moved_pool)
        self.payer_transactions_per_slot: int | None = None
        """How many transactions of one fee payer a slot takes; ``None``: any number."""
        self._payer_free_at: dict[Pubkey, float] = {}
        self._bundled: set[str] = set()
        self.mempool: Final = Mempool()
        self.on_received: Callable[[ParsedTransaction], None] = lambda _transaction: None
        self.on_landed: Callable[[Sequence[ParsedTransaction]], None] = lambda _transactions: None

    def accept_bundled(self, transaction: ParsedTransaction) -> bool:
        """Accept a transaction of a bundle: its tip is its price. As ``accept_transaction``."""
        self._bundled.add(transaction.signature)
        return self.accept_transaction(transaction)

    def accept_transaction(self, transaction: ParsedTransaction) -> bool:
        """Accept a sent transaction; ``False`` if the mempool is full.

        Transactions that are pending, have landed or can never land are accepted without effect.
        """
        chain = self._chain
        self.on_received(transaction)
        if transaction.signature in self.mempool or transaction.signature in chain.status_cache:
            return True
        if self._faults.trigger(TransactionDrop) is not None:
            return True
        if not chain.clock.is_blockhash_valid(transaction.blockhash, chain.clock.slot()):
            return True
        return self.enqueue(transaction, self._serialize_payer(transaction))

    def enqueue(self, transaction: ParsedTransaction, due_at: float) -> bool:
        """Let a transaction land at ``due_at`` in chain time; ``False`` if the mempool is full."""
        first_due_at = self.mempool.next_due_time()
        if not self.mempool.add(transaction, due_at):
            return False
        if first_due_at is None or due_at < first_due_at:
            self.wake()
        return True

    def is_status_hidden(self, signature: str) -> bool:
        """Whether a fault still delays the status of a signature."""
        hidden_until = self._hidden_until.get(signature)
        if hidden_until is None:
            return False
        if self._chain.clock.time() < hidden_until:
            return True
        del self._hidden_until[signature]
        return False

    def wake(self) -> None:
        """Re-check the mempool: chain time has jumped, or the first due transaction has changed."""
        self._change_event.set()

    async def run(self) -> None:
        """Land the due transactions until cancelled."""
        clock = self._chain.clock
        while True:
            self._change_event.clear()
            due_at = self.mempool.next_due_time()
            if due_at is None or clock.state.halted_at is not None:
                await self._change_event.wait()
            elif due_at > clock.time():
                await self._wait_for_change(due_at - clock.time())
            else:
                self._land_batch(self.mempool.pop_due(clock.time(), _BATCH_MAX))
                await asyncio.sleep(0)

    async def _wait_for_change(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._change_event.wait()
        except TimeoutError:
            return

    def _land_batch(self, batch: list[ParsedTransaction]) -> None:
        landed = self._chain.land_batch(self._select_included(batch), self._fault_injection)
        self._bundled.difference_update(transaction.signature for transaction in landed)
        for transaction in landed:
            fault = self._faults.trigger(LateStatus)
            if fault is not None:
                self._hidden_until[transaction.signature] = (
                    self._chain.clock.time() + fault.by_seconds
                )
        self.on_landed(landed)

    def _serialize_payer(self, transaction: ParsedTransaction) -> float:
        """When a transaction lands, behind the earlier ones of its fee payer if these serialize."""
        due_at, limit = self._choose_landing_time(), self.payer_transactions_per_slot
        if limit is None:
            self._payer_free_at.clear()
            return due_at
        payer = transaction.keys[0]
        due_at = max(due_at, self._payer_free_at.get(payer, due_at))
        self._payer_free_at[payer] = due_at + self._chain.options.slot_s / limit
        return due_at

    def _select_included(self, batch: list[ParsedTransaction]) -> list[ParsedTransaction]:
        """Those that pay the price of the current block, or a tip; others wait for the next."""
        chain = self._chain
        slot = chain.clock.slot()
        price = chain.inclusion_prices.get_price(slot)
        if not price:
            return batch
        included = []
        next_at = chain.clock.next_slot_time(chain.clock.time())
        for transaction in batch:
            is_bundled = transaction.signature in self._bundled
            if is_bundled or transaction.compute_unit_price >= price:
                included.append(transaction)
            elif chain.clock.is_blockhash_valid(transaction.blockhash, slot):
                self.mempool.add(transaction, next_at)
        return included

    def _choose_landing_time(self) -> float:
        clock, timing = self._chain.clock, self._chain.options.timing
        due_at = clock.time() + self._random.uniform(timing.landing_min_s, timing.landing_max_s)
        fault = self._faults.trigger(LateLanding)
        if fault is not None:
            due_at += fault.by_seconds
        return clock.next_slot_time(due_at) if timing.is_slot_aligned else due_at

    def _draw_failure(self) -> str | None:
        fault = self._faults.trigger(SwapFailure)
        return None if fault is None else fault.reason

    def _draw_moved_pool(self, address: Pubkey, slot: int) -> HostedPool | None:
        pools = self._chain.pools

        def matches(move: PriceMove) -> bool:
            pair = resolve_pair(move.pair) if move.pair else None
            return pools.is_pool_of(address, move.venue, pair)

        fault = self._faults.trigger(PriceMove, matches)
        if fault is None:
            return None
        base = resolve_pair(fault.pair)[0] if fault.pair else None
        return pools.build_moved_pool(address, slot, base, fault.bps)
