"""The audit: whether what everybody saw is one story in which each order is executed at most once.

It looks at facts from four witnesses that do not know of each other: what clients were answered,
what subscribers were told, what the database holds, and what the chain's ledger says. Pure, so
that for each rule there is a test in which it catches what it has to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from backend.domain.lifecycle import Status


class Cell(StrEnum):
    """What can be wrong; each is a column of the table, and each must be 0."""

    LOST = "lost"
    DOUBLED = "doubled"
    STUCK = "stuck"
    GAPS = "gaps"
    WRONG = "wrong"


class Violation(NamedTuple):
    """One broken promise, with a sentence that names the order or the subscriber."""

    cell: Cell
    what: str


@dataclass(frozen=True, slots=True)
class Row:
    """An order as the database holds it; tokens are mints, amounts base units."""

    id: str
    status: Status
    seq: int
    signature: str | None
    mint_in: str
    mint_out: str
    amount_in: int
    amount_out: int | None
    is_leased: bool


class Step(NamedTuple):
    """A transition: of which order, its number, and what the order became."""

    order_id: str
    seq: int
    status: str


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap that the chain executed."""

    signature: str
    mint_in: str
    mint_out: str
    amount_in: int
    amount_out: int


@dataclass(frozen=True)
class Facts:
    """What the witnesses say.

    ``told``: for each key that a client posted with, the orders that it was answered with.
    ``journal``: every transition, in the order of the feed. ``signed``: the order of each
    signature that was ever stored. ``followed``: what the socket of one order told, by order.
    ``streams``: what each stream told, by its name. ``moved``: how much of each mint the wallet
    has more than before; fees are left out.
    """

    told: Mapping[str, frozenset[str]]
    rows: Mapping[str, Row]
    journal: Sequence[Step]
    signed: Mapping[str, str]
    swaps: Sequence[Swap]
    followed: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    streams: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    moved: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def lives(self) -> Mapping[str, Sequence[Step]]:
        """The transitions of each order."""
        lives = defaultdict(list)
        for step in self.journal:
            lives[step.order_id].append(step)
        return lives

    @cached_property
    def executed(self) -> Mapping[str, Sequence[Swap]]:
        """The swaps that were executed for each order."""
        executed = defaultdict(list)
        for swap in self.swaps:
            if swap.signature in self.signed:
                executed[self.signed[swap.signature]].append(swap)
        return executed


def audit(facts: Facts) -> list[Violation]:
    """Everything that is wrong."""
    rules = (lost, doubled, stuck, gaps, misled, misexecuted, unbalanced)
    return [violation for rule in rules for violation in rule(facts)]


def lost(facts: Facts) -> Iterator[Violation]:
    """Every order that a client was told of exists."""
    for key, ids in facts.told.items():
        for order_id in ids - facts.rows.keys():
            yield Violation(Cell.LOST, f"order {order_id} of request {key} does not exist")


def doubled(facts: Facts) -> Iterator[Violation]:
    """One request is one order, one order is one swap, and nothing is executed besides."""
    for key, ids in facts.told.items():
        if len(ids) > 1:
            yield Violation(Cell.DOUBLED, f"request {key} became {len(ids)} orders")
    known = frozenset[str]().union(*facts.told.values())
    for order_id in facts.rows.keys() - known:
        yield Violation(Cell.DOUBLED, f"order {order_id} was made, and nobody was told of it")
    for order_id, swaps in facts.executed.items():
        if len(swaps) > 1:
            yield Violation(Cell.DOUBLED, f"order {order_id} was executed {len(swaps)} times")
    for swap in facts.swaps:
        if swap.signature not in facts.signed:
            yield Violation(Cell.DOUBLED, f"swap {swap.signature} belongs to no order")


def stuck(facts: Facts) -> Iterator[Violation]:
    """Every order has ended, and nobody holds it any more."""
    for row in facts.rows.values():
        if not row.status.is_end:
            yield Violation(Cell.STUCK, f"order {row.id} is still {row.status}")
        if row.is_leased:
            yield Violation(Cell.STUCK, f"order {row.id} is still leased")


def gaps(facts: Facts) -> Iterator[Violation]:
    """The journal counts each order's transitions 1, 2, 3 … up to its one end."""
    for row in facts.rows.values():
        life = facts.lives.get(row.id, ())
        if [step.seq for step in life] != list(range(1, row.seq + 1)):
            yield Violation(Cell.GAPS, f"the journal of order {row.id} is not 1 to {row.seq}")
        ends = [step for step in life if Status(step.status).is_end]
        if row.status.is_end and (len(ends) != 1 or life[-1].status != row.status):
            yield Violation(Cell.GAPS, f"the journal of order {row.id} does not end as it did")


def misled(facts: Facts) -> Iterator[Violation]:
    """Every subscriber was told every transition once and in order."""
    for order_id, told in facts.followed.items():
        life = facts.lives.get(order_id, [])
        if list(told) != list(life):
            yield Violation(Cell.GAPS, f"order {order_id}: {_difference(told, life)}")
    for name, told in facts.streams.items():
        if list(told) != list(facts.journal):
            yield Violation(Cell.GAPS, f"{name}: {_difference(told, facts.journal)}")


def misexecuted(facts: Facts) -> Iterator[Violation]:
    """What the database says of an order's execution is what the ledger says."""
    for row in facts.rows.values():
        swaps = facts.executed.get(row.id, ())
        if row.status is not Status.CONFIRMED:
            for swap in swaps:
                what = f"order {row.id} is {row.status}, and swap {swap.signature} was executed"
                yield Violation(Cell.WRONG, what)
        elif _swap_of(row) not in swaps:
            yield Violation(Cell.WRONG, f"order {row.id} is confirmed, and its swap is not there")


def unbalanced(facts: Facts) -> Iterator[Violation]:
    """What the wallet has more or less of each token is what its orders say."""
    expected: Counter[str] = Counter()
    for row in facts.rows.values():
        if row.status is Status.CONFIRMED:
            assert row.amount_out is not None
            expected[row.mint_in] -= row.amount_in
            expected[row.mint_out] += row.amount_out
    for mint in sorted(facts.moved.keys() | expected.keys()):
        if facts.moved and facts.moved.get(mint, 0) != expected[mint]:
            moved = facts.moved.get(mint, 0)
            what = f"{mint}: the wallet has {moved:+}, its orders say {expected[mint]:+}"
            yield Violation(Cell.WRONG, what)


def _swap_of(row: Row) -> Swap | None:
    if row.signature is None or row.amount_out is None:
        return None
    return Swap(row.signature, row.mint_in, row.mint_out, row.amount_in, row.amount_out)


def _difference(told: Sequence[Step], life: Sequence[Step]) -> str:
    counts = Counter(told)
    missing = [step for step in life if step not in counts]
    again = [step for step, times in counts.items() if times > 1]
    unknown = counts.keys() - set(life)
    parts = [
        f"{len(steps)} {word} ({min(steps)})"
        for word, steps in (("missing", missing), ("repeated", again), ("unknown", unknown))
        if steps
    ]
    return ", ".join(parts) or "in another order"
