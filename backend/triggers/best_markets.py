"""The best prices of one direction of a pair since any time, for orders that waited meanwhile.

A pool is kept as it was read, unless a later read of it paid at least as much: that one was offered
to all orders that the earlier one was offered to, and to more. So what is kept of a pool pays less
the later it was read, and an order's best price is what those since its acceptance pay for its
amount. While a price falls for long, only some of its reads are kept, the older the fewer: a best
price may be told too low then, but never one that was not offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.prices import PriceRatio
from backend.domain.route_constraints import RouteConstraints
from backend.triggers.pool_market import DirectedPool

READS_MAX: Final = 12
"""Most reads of a pool that are kept."""


@dataclass(frozen=True, slots=True)
class PoolRead:
    """A pool in one direction of trade, as it was read at a time: in seconds, of any clock."""

    pool: DirectedPool
    at: float


@dataclass(frozen=True, slots=True)
class _Kept:
    """A read, and what it pays for the least and for the largest amount that waits."""

    read: PoolRead
    paid: tuple[int, int]

    def covers(self, other: _Kept) -> bool:
        """Whether it pays at least as much for both amounts.

        For those in between it does so too: what one base unit in costs is linear in the amount,
        where the fee is flat.
        """
        return all(own >= their for own, their in zip(self.paid, other.paid, strict=True))


class BestMarkets:
    """The pools of one direction as they paid most, for amounts from the least to the largest."""

    def __init__(self, reads: Iterable[PoolRead] = ()) -> None:
        self._amounts: tuple[int, int] | None = None
        self._has_new_amount = False
        self._kept: dict[Pubkey, list[_Kept]] = {}
        self.has_changed = False
        """Whether a pool has changed since this was set to false."""
        for read in reads:
            self._kept.setdefault(read.pool.pool.address, []).append(_Kept(read, (0, 0)))

    @property
    def reads(self) -> list[PoolRead]:
        """The reads that are kept, those of each pool in the order of time."""
        return [kept.read for each in self._kept.values() for kept in each]

    def include_amount(self, amount: int) -> None:
        """Keep what pays this amount most as well."""
        low, high = self._amounts or (amount, amount)
        if self._amounts is None or not low <= amount <= high:
            self._amounts = min(low, amount), max(high, amount)
            self._has_new_amount = True

    def add(self, pools: Sequence[DirectedPool], at: float) -> None:
        """Add a market that was read at a time, later than those before."""
        if self._has_new_amount:
            for each in self._kept.values():
                each[:] = [self._pay(kept.read) for kept in each]
            self._has_new_amount = False
        for pool in pools:
            kept = self._kept.setdefault(pool.pool.address, [])
            if kept and kept[-1].read.pool == pool:
                kept[-1] = replace(kept[-1], read=PoolRead(pool, at))
                continue
            added = self._pay(PoolRead(pool, at))
            while kept and added.covers(kept[-1]):
                kept.pop()
            kept.append(added)
            if len(kept) > READS_MAX:
                del kept[_find_least_needed([each.read.at for each in kept])]
            self.has_changed = True

    def _pay(self, read: PoolRead) -> _Kept:
        assert self._amounts is not None, "nobody waits"
        low, high = map(read.pool.pay, self._amounts)
        paid = 0 if low is None else low.amount_out, 0 if high is None else high.amount_out
        return _Kept(read, paid)


def _find_least_needed(times: Sequence[float]) -> int:
    """The place, neither first nor last, that leaves the least gap for the age of what is there."""

    def measure_gap(place: int) -> float:
        before = times[place - 1]
        return (times[place + 1] - before) / (times[-1] - before)

    return min(range(1, len(times) - 1), key=measure_gap)


def find_best_price(
    amount: int,
    reads: Iterable[PoolRead],
    since: float,
    *,
    max_price_impact_bps: int | None = None,
    constraints: RouteConstraints | None = None,
) -> PriceRatio | None:
    """The best price of the reads since a time for an amount; ``None`` if none of them pays it.

    Those whose impact is above the cap do not count, nor those of pools that constraints exclude.
    """
    quotes = (each.pool.quote(amount) for each in reads if each.at >= since)
    paid = max(
        (
            quote.amount_out
            for quote in quotes
            if quote is not None
            and (max_price_impact_bps is None or quote.is_within_impact(max_price_impact_bps))
            and (constraints is None or constraints.allows(quote.dex, quote.program, quote.pool))
        ),
        default=0,
    )
    return PriceRatio(paid, amount) if paid else None
