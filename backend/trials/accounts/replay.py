"""What fills, positions and reports have to be, by the ledger of the simulated chain alone.

Amounts are those of the ledger's swaps; nothing is read of what the engine has stored of them. Of
the engine, two things are taken that no ledger has: in which sequence it has booked its
transactions, and what it took a swap of two other tokens for, in the reference token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]


class LedgerFill(NamedTuple):
    """A transaction that succeeded: what it changed of each mint, in base units.

    ``taken`` is what its swaps took of each mint that it swapped into as well.
    """

    signature: str
    mint_in: str
    mint_out: str
    amount_in: int
    amount_out: int
    slot: int
    changes: Mapping[str, int]
    taken: Mapping[str, int]

    def compute_value(self, reference: str, told: int | None) -> int | None:
        """Its value in base units of the reference mint; ``told`` where the ledger has none."""
        if reference in (self.mint_in, self.mint_out):
            return abs(self.changes[reference])
        return self.taken.get(reference, told)


def read_ledger_fills(entries: Iterable[Json]) -> dict[str, LedgerFill]:
    """The transactions of the ledger that succeeded with a swap, by signature."""
    fills: dict[str, LedgerFill] = {}
    for entry in entries:
        if entry["err"] is not None or entry["pool"] is None:
            continue
        changes: Counter[str] = Counter()
        paid: Counter[str] = Counter()
        for swap in entry["swaps"] or [entry]:
            changes[swap["mint_in"]] -= int(swap["amount_in"])
            changes[swap["mint_out"]] += int(swap["amount_out"])
            paid[swap["mint_in"]] += int(swap["amount_in"])
        mint_in, mint_out = entry["mint_in"], entry["mint_out"]
        fills[entry["signature"]] = LedgerFill(
            entry["signature"],
            mint_in,
            mint_out,
            -changes[mint_in],
            changes[mint_out],
            entry["slot"],
            {mint: change for mint, change in changes.items() if change},
            {mint: amount for mint, amount in paid.items() if mint != mint_in},
        )
    return fills


@dataclass(slots=True)
class Holding:
    """One token, by average cost: an amount and its cost have the same sign."""

    amount: int = 0
    cost: int = 0
    realized: int = 0

    def change(self, amount: int, worth: int) -> None:
        """Buy or sell; ``worth`` is at least 0."""
        if self.amount * amount >= 0:  # it grows
            self.amount += amount
            self.cost += worth if amount > 0 else -worth
            return
        closed = min(abs(amount), abs(self.amount))
        brought = worth * closed // abs(amount)
        released = abs(self.cost) * closed // abs(self.amount)
        sign = 1 if self.amount > 0 else -1
        self.realized += sign * (brought - released)
        self.cost -= sign * released
        self.amount -= sign * closed
        if rest := abs(amount) - closed:
            self.change(rest if amount > 0 else -rest, worth - brought)

    def give(self, amount: int) -> int:
        """Give an amount away for nothing: what it has cost."""
        closed = min(amount, max(self.amount, 0))
        released = abs(self.cost) * closed // self.amount if closed else 0
        self.amount -= amount
        self.cost -= released
        return released


@dataclass(slots=True)
class Replay:
    """The holdings by mint, in a reference mint, and the sums by pair of mints."""

    reference: str
    holdings: dict[str, Holding] = field(default_factory=dict)
    sold: Counter[tuple[str, str]] = field(default_factory=Counter)
    bought: Counter[tuple[str, str]] = field(default_factory=Counter)
    volume: int = 0
    count: int = 0

    def add(self, fill: LedgerFill, told_value: int | None) -> None:
        """Add the next fill."""
        self.count += 1
        self.sold[fill.mint_in, fill.mint_out] += fill.amount_in
        self.bought[fill.mint_in, fill.mint_out] += fill.amount_out
        left = dict(fill.changes)
        del left[fill.mint_in], left[fill.mint_out]
        left_of_reference = left.get(self.reference, 0)
        for mint, amount in left.items():
            self._change(mint, amount, 0)
        value = fill.compute_value(self.reference, told_value)
        source, target = self._find(fill.mint_in), self._find(fill.mint_out)
        if value is None:
            target.change(fill.amount_out, source.give(fill.amount_in))
            return
        self.volume += value
        self._change(fill.mint_in, -fill.amount_in, value + left_of_reference)
        self._change(fill.mint_out, fill.amount_out, value)

    def _change(self, mint: str, amount: int, worth: int) -> None:
        holding = self._find(mint)
        if mint == self.reference:
            holding.amount += amount
        else:
            holding.change(amount, worth)

    def _find(self, mint: str) -> Holding:
        return self.holdings.setdefault(mint, Holding())


def replay(
    ledger: Mapping[str, LedgerFill],
    sequence: Sequence[tuple[str, int | None]],
    reference: str,
) -> Replay:
    """Replay transactions in a sequence of signatures with the values that were told of them."""
    result = Replay(reference)
    for signature, told_value in sequence:
        result.add(ledger[signature], told_value)
    return result
