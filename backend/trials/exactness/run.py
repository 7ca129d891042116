"""Draws random swaps, splits and routes over two hops, and compares what they pay with quotes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.simulator.wire.transaction_parser import MalformedTransaction, ParsedTransaction
from backend.trials.exactness.trader import PoolLocation, QuotedSwap, Trader

_LEGS_MAX: Final = 4
_KINDS: Final = ("single", "split", "hops")
_KIND_WEIGHTS: Final = (3, 5, 2)
_AMOUNT_BITS: Final = (8, 50)
_LANDINGS_PER_SLOT: Final = 4
_PAUSE_MAX_S: Final = 300.0
_BALANCE_SHARE: Final = 64
"""No swap spends more than one part in so many of the wallet's tokens."""


@dataclass(slots=True)
class ExactnessResult:
    """What was compared, and every difference.

    ``swaps`` are those that paid their quotes, by program; ``refusals`` those that neither the
    quote nor the program permits. ``transactions`` are those that landed, by what they were.
    """

    swaps: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


class ExactnessRun:
    """Random transactions of a trader, each compared with its quotes."""

    def __init__(self, trader: Trader, seed: int) -> None:
        self._trader = trader
        self._random = Random(seed)  # noqa: S311 - repeatable, not a secret
        self._pools = trader.list_pools()
        self._by_pair: dict[frozenset[Pubkey], list[PoolLocation]] = {}
        for location in self._pools:
            self._by_pair.setdefault(frozenset(location.mints), []).append(location)
        self._many = [pair for pair, pools in self._by_pair.items() if len(pools) > 2]
        self.result: Final = ExactnessResult()

    def run(self, swaps: int) -> ExactnessResult:
        """Land transactions until so many swaps were compared."""
        landed = 0
        while self.result.swaps.total() < swaps and not self.result.differences:
            if self._try_transaction():
                landed += 1
            if landed >= _LANDINGS_PER_SLOT:
                landed = 0
                self._trader.advance(self._random.uniform(1, _PAUSE_MAX_S))
        return self.result

    def _try_transaction(self) -> bool:
        """Draw a transaction and land it, unless nothing of it can be quoted."""
        [kind] = self._random.choices(_KINDS, _KIND_WEIGHTS)
        legs = list(self._draw_hops() if kind == "hops" else self._draw_split(kind))
        if kind == "hops" and len(legs) < 2:
            return False  # its first half is a swap like any other
        while legs:
            try:
                transaction = self._sign(legs)
            except MalformedTransaction:  # too many accounts for one transaction
                legs.pop()
                continue
            self._land(transaction, legs, _describe(kind, len(legs)))
            return True
        return False

    def _draw_split(self, kind: str) -> Iterator[QuotedSwap]:
        """Swaps of one direction through one or several pools."""
        pools = self._by_pair[self._draw_pair()]
        count = 1 if kind == "single" else self._random.randint(2, min(_LEGS_MAX, len(pools)))
        mint_in, mint_out = self._draw_direction(pools[0].mints)
        for location in self._random.sample(pools, count):
            swap = self._quote(location, mint_in, mint_out, self._draw_amount(mint_in))
            if swap is not None:
                yield swap

    def _draw_hops(self) -> Iterator[QuotedSwap]:
        """A swap, and one of what it brings, or of a little less."""
        first = self._random.choice(self._pools)
        mint_in, middle = self._draw_direction(first.mints)
        onward = [
            location
            for location in self._pools
            if middle in location.mints and mint_in not in location.mints
        ]
        swap = self._quote(first, mint_in, middle, self._draw_amount(mint_in))
        if swap is None or not onward:
            return
        yield swap
        second = self._random.choice(onward)
        one, other = second.mints
        amount = swap.quote.amount_out
        amount -= self._random.choice((0, 0, amount // 1_000))
        last = self._quote(second, middle, other if one == middle else one, amount)
        if last is not None:
            yield last

    def _quote(
        self, location: PoolLocation, mint_in: Pubkey, mint_out: Pubkey, amount: int
    ) -> QuotedSwap | None:
        """Quote a swap; where it is refused, the program has to refuse it too."""
        try:
            pool = self._trader.read_pool(location, mint_in, amount)
        except Rejected as refusal:
            self._check_refusal(location, mint_in, mint_out, amount, refusal)
            return None
        return QuotedSwap(pool, mint_in, mint_out, pool.quote(mint_in, amount))

    def _check_refusal(
        self,
        location: PoolLocation,
        mint_in: Pubkey,
        mint_out: Pubkey,
        amount: int,
        refusal: Rejected,
    ) -> None:
        trader = self._trader
        pool = trader.chain.pools.get_pool(location.address, trader.chain.clock.slot())
        assert pool is not None, "a pool that was listed is there"
        if amount > trader.read_balance(mint_in):
            return  # refused for another reason as well
        try:
            swap = trader.build_swap(pool, (mint_in, mint_out), amount, 1)
            transaction = trader.sign([swap])
        except MalformedTransaction:
            return
        if trader.chain.simulate(transaction).err is None:
            self.result.differences.append(
                f"{location.venue.name} {location.address} swaps {amount} of {mint_in},"
                f" which the quote refuses: {refusal.reason}"
            )
        self.result.refusals[f"{location.venue.dex} {location.venue.name}"] += 1

    def _sign(self, legs: Sequence[QuotedSwap]) -> ParsedTransaction:
        swaps = [
            self._trader.build_swap(
                leg.pool, (leg.mint_in, leg.mint_out), leg.quote.amount_in, leg.quote.amount_out
            )
            for leg in legs
        ]
        return self._trader.sign(swaps)

    def _land(self, transaction: ParsedTransaction, legs: Sequence[QuotedSwap], kind: str) -> None:
        """Land a transaction; compare each swap, the wallet, and the pools afterwards."""
        trader, mints = self._trader, _list_mints(legs)
        before = {mint: trader.read_balance(mint) for mint in mints}
        entry = trader.land(transaction)
        problems = []
        if entry.err is not None:
            problems.append(f"failed with {entry.err}")
        paid = [(each.pool, int(each.amount_in), int(each.amount_out)) for each in entry.swaps]
        quoted = [(leg.quote.pool, leg.quote.amount_in, leg.quote.amount_out) for leg in legs]
        if paid != quoted:
            problems.append(f"paid {paid} and not {quoted}")
        changes = Counter({mint: trader.read_balance(mint) - before[mint] for mint in mints})
        expected = _sum_changes(legs)
        if any(changes[mint] != expected[mint] for mint in mints):
            problems.append(f"changed the wallet by {dict(changes)} and not {dict(expected)}")
        problems += [
            f"left {leg.quote.program} {leg.quote.pool} in another state"
            for leg in legs
            if not self._has_expected_state(leg)
        ]
        self.result.differences += [f"{kind}: {transaction.signature} {each}" for each in problems]
        self.result.transactions[kind] += 1
        self.result.swaps.update(f"{leg.quote.dex} {leg.quote.program}" for leg in legs)

    def _has_expected_state(self, leg: QuotedSwap) -> bool:
        _, after = leg.pool.after_swap(leg.mint_in, leg.quote.amount_in)
        expected = after.encode_quote_accounts()
        chain = self._trader.chain
        return all(chain.get_account(key) == account for key, account in expected.items())

    def _draw_pair(self) -> frozenset[Pubkey]:
        """Mostly a pair with pools of many programs."""
        if self._random.random() < 0.9:
            return self._random.choice(self._many)
        return self._random.choice(list(self._by_pair))

    def _draw_direction(self, mints: tuple[Pubkey, Pubkey]) -> tuple[Pubkey, Pubkey]:
        one, other = mints
        return (one, other) if self._random.random() < 0.5 else (other, one)

    def _draw_amount(self, mint_in: Pubkey) -> int:
        bits = self._random.randint(*_AMOUNT_BITS)
        most = max(self._trader.read_balance(mint_in) // _BALANCE_SHARE, 1)
        return min(self._random.randint(1, 1 << bits), most)


def _list_mints(legs: Sequence[QuotedSwap]) -> list[Pubkey]:
    return list(dict.fromkeys(mint for leg in legs for mint in (leg.mint_in, leg.mint_out)))


def _sum_changes(legs: Sequence[QuotedSwap]) -> Counter[Pubkey]:
    changes: Counter[Pubkey] = Counter()
    for leg in legs:
        changes[leg.mint_in] -= leg.quote.amount_in
        changes[leg.mint_out] += leg.quote.amount_out
    return changes


def _describe(kind: str, legs: int) -> str:
    if kind == "hops":
        return "route over two hops"
    return "one swap" if legs == 1 else f"split over {legs} pools"
