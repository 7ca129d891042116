"""Making blocks: accepted transactions wait here and land when they are due.

Nothing runs while nothing waits. What lands together is executed and stored together.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.chain.chain import Chain, Meddling
from backend.simulator.faults import (
    Drop,
    Fail,
    Faults,
    LateLanding,
    LateStatus,
    MovedPrice,
    tokens_of,
)
from backend.simulator.state.mempool import Mempool
from backend.simulator.wire.transaction_parser import Parsed
from backend.venues.hosting import HostedPool

_AT_ONCE_MAX: Final = 64
"""Executed between two looks at the clients."""


class Blocks:
    """The way of a transaction from its acceptance into a block, faults included."""

    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults
        self._random = Random(chain.options.seed)  # noqa: S311 - repeatable, not secret
        self._changed = asyncio.Event()
        self._hidden: dict[str, float] = {}
        self._meddling = Meddling(self._forced, self._moved)
        self.mempool: Final = Mempool()

    def accept(self, parsed: Parsed) -> bool:
        """Let a transaction land in its time; ``False`` if too many wait.

        What waits or has landed already, and what can never land, is taken and comes to nothing.
        """
        chain = self._chain
        if parsed.signature in self.mempool or parsed.signature in chain.history:
            return True
        if self._faults.strike(Drop) is not None:
            return True
        if not chain.clock.is_valid(parsed.blockhash, chain.clock.slot()):
            return True
        return self.enqueue(parsed, self._due())

    def enqueue(self, parsed: Parsed, due: float) -> bool:
        """Let a transaction land at ``due`` in chain time; ``False`` if too many wait."""
        first = self.mempool.next_due()
        if not self.mempool.add(parsed, due):
            return False
        if first is None or due < first:
            self.wake()
        return True

    def is_hidden(self, signature: str) -> bool:
        """Whether the status of a signature is not told yet."""
        until = self._hidden.get(signature)
        if until is None:
            return False
        if self._chain.clock.time() < until:
            return True
        del self._hidden[signature]
        return False

    def wake(self) -> None:
        """Look again: time has jumped, or what is due has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Land what is due until cancelled."""
        clock = self._chain.clock
        while True:
            self._changed.clear()
            due = self.mempool.next_due()
            if due is None or clock.course.halted_at is not None:
                await self._changed.wait()
            elif due > clock.time():
                await self._wait(due - clock.time())
            else:
                self._land(self.mempool.take(clock.time(), _AT_ONCE_MAX))
                await asyncio.sleep(0)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _land(self, batch: list[Parsed]) -> None:
        for parsed in self._chain.land(batch, self._meddling):
            late = self._faults.strike(LateStatus)
            if late is not None:
                self._hidden[parsed.signature] = self._chain.clock.time() + late.by_seconds

    def _due(self) -> float:
        clock, timing = self._chain.clock, self._chain.options.timing
        due = clock.time() + self._random.uniform(timing.landing_min_s, timing.landing_max_s)
        late = self._faults.strike(LateLanding)
        if late is not None:
            due += late.by_seconds
        return clock.next_slot_at(due) if timing.by_slot else due

    def _forced(self) -> str | None:
        fault = self._faults.strike(Fail)
        return None if fault is None else fault.reason

    def _moved(self, address: Pubkey, slot: int) -> HostedPool | None:
        pools = self._chain.pools

        def fits(move: MovedPrice) -> bool:
            pair = tokens_of(move.pair) if move.pair else None
            return pools.is_of(address, move.venue, pair)

        fault = self._faults.strike(MovedPrice, fits)
        if fault is None:
            return None
        base = tokens_of(fault.pair)[0] if fault.pair else None
        return pools.moved_by(address, slot, base, fault.bps)
