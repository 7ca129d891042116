"""What the audit compares: the evidence of a run from all sources, and the violations it finds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Self

from backend.domain.lifecycle import Status
from backend.domain.waiting.guards import Guards
from backend.store.verification import VerificationFault


class ViolationKind(StrEnum):
    """A kind of violation; each is a column of the result table, and each count must be 0."""

    LOST = "lost"
    DOUBLED = "doubled"
    STUCK = "stuck"
    GAPS = "gaps"
    WRONG = "wrong"
    STALE = "stale"


class Violation(NamedTuple):
    """One broken guarantee, with a message that names the order or the subscriber."""

    kind: ViolationKind
    message: str

    def __str__(self) -> str:
        """Format it as a line of a report."""
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as stored in the database; tokens are mints, amounts base units.

    It came to be of the order ``parent_id``; one that ``is_sliced`` is executed by such orders, and
    has no swap of its own. ``bracket_size`` is the number of orders that are to come to be of it.
    ``is_submitted_late``: after its expiry, by more than a statement may take.
    """

    id: str
    status: Status
    seq: int
    signature: str | None
    mint_in: str
    mint_out: str
    amount_in: int
    amount_out: int | None
    is_leased: bool
    attempts: int = 1
    min_amount_out: int | None = None
    cancel_reason: str | None = None
    parent_id: str | None = None
    oco_group: str | None = None
    bracket_size: int = 0
    is_sliced: bool = False
    is_submitted_late: bool = False


class SlicePlacing(NamedTuple):
    """A slice that an order told of: its number from 1, its order, and its amount in base units."""

    parent_id: str
    number: int
    child_id: str
    amount_in: int


class OrderRelease(NamedTuple):
    """A release of a waiting order: the price that was observed, and the one that it met.

    Both are decimals of the same token, ``None`` where the event has none. ``told_price`` is what
    its owner was told last that it waits for, ``None`` for what follows from a trailing distance.
    ``is_limit``: it met the order's limit, for which a stop-limit waits once it was released.
    """

    order_id: str
    type: str
    executable_price: str | None
    trigger_price: str | None
    told_price: str | None = None
    is_limit: bool = False


class OrderTransition(NamedTuple):
    """One transition of an order: its sequence number and the new status."""

    order_id: str
    seq: int
    status: str


class SwapLeg(NamedTuple):
    """One swap of a transaction, through one pool."""

    pool: str
    mint_in: str
    mint_out: str
    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class ExecutedSwap:
    """What a transaction of swaps paid and received, as the chain executed it.

    ``pool`` is the one that paid most; ``legs`` are the swaps, where there are several.
    """

    signature: str
    mint_in: str
    mint_out: str
    amount_in: int
    amount_out: int
    pool: str = ""
    legs: Sequence[SwapLeg] = ()

    @property
    def pools(self) -> Sequence[str]:
        """The pools that it went through."""
        return [leg.pool for leg in self.legs] or [self.pool]

    def list_residuals(self) -> dict[str, int]:
        """List what is left of the tokens that were bought and spent in between, by mint."""
        residuals: Counter[str] = Counter()
        for leg in self.legs:
            residuals[leg.mint_in] -= leg.amount_in
            residuals[leg.mint_out] += leg.amount_out
        ends = {self.mint_in, self.mint_out}
        return {mint: change for mint, change in residuals.items() if mint not in ends}


@dataclass(frozen=True, slots=True)
class LaunchedPoolTraits:
    """A launched pool as the node made it; ``reserve_in`` is of the token that buys from it."""

    dex: str
    fee_bps: int
    locked_bps: int
    reserve_in: int
    has_mint_authority: bool
    has_freeze_authority: bool
    transfer_fee_bps: int


class CancelAnswer(NamedTuple):
    """What a client was answered that cancelled an order: it is cancelled, or it is too late.

    The rest is the order as the answer had it, if it had more than the id.
    """

    order_id: str
    is_cancelled: bool
    seq: int | None = None
    status: str | None = None
    signature: str | None = None


@dataclass(slots=True)
class CancelObservations:
    """What clients asked to cancel, and what they were answered.

    ``order_ids`` were named; of ``mints_in`` all open orders that sell one of them were cancelled.
    """

    order_ids: set[str] = field(default_factory=set)
    mints_in: set[str] = field(default_factory=set)
    answers: list[CancelAnswer] = field(default_factory=list)

    @classmethod
    def merge(cls, parts: Iterable[CancelObservations]) -> Self:
        """Put the observations of several turns together."""
        merged = cls()
        for part in parts:
            merged.order_ids |= part.order_ids
            merged.mints_in |= part.mints_in
            merged.answers += part.answers
        return merged

    def count_orders(self, *, is_cancelled: bool) -> int:
        """Count the orders that were answered to be cancelled, or to be too late at least once."""
        return len({each.order_id for each in self.answers if each.is_cancelled is is_cancelled})


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a set of orders, from all sources.

    ``accepted``: the order ids returned for each idempotency key. ``journal``: every transition, in
    feed order. ``order_by_signature``: the order of each signature that was ever stored.
    ``order_streams``: the transitions received on the socket of each order. ``feed_streams``: those
    received on each stream of the whole feed, by name. ``balance_changes``: the wallet's change of
    each mint, without fees. ``needs_amounts``: whether confirmed orders must have their
    amounts out, because the node told them. ``cancels``: what clients cancelled. ``releases``: of
    orders that waited for a price, in the order of time for each. ``slices``: those that were
    placed, in the order of time for each parent. ``guards``: those of each sniper order.
    ``launched``: the pools that the node launched, by address. ``faults``: what the verification
    of rows, events and signatures finds.
    """

    accepted: Mapping[str, frozenset[str]]
    rows: Mapping[str, OrderRow]
    journal: Sequence[OrderTransition]
    order_by_signature: Mapping[str, str]
    swaps: Sequence[ExecutedSwap]
    order_streams: Mapping[str, Sequence[OrderTransition]] = field(default_factory=dict)
    feed_streams: Mapping[str, Sequence[OrderTransition]] = field(default_factory=dict)
    balance_changes: Mapping[str, int] = field(default_factory=dict)
    needs_amounts: bool = False
    cancels: CancelObservations = field(default_factory=CancelObservations)
    releases: Sequence[OrderRelease] = ()
    slices: Sequence[SlicePlacing] = ()
    guards: Mapping[str, Guards] = field(default_factory=dict)
    launched: Mapping[str, LaunchedPoolTraits] = field(default_factory=dict)
    faults: Sequence[VerificationFault] = ()

    @cached_property
    def transitions_by_order(self) -> Mapping[str, Sequence[OrderTransition]]:
        """The transitions of each order."""
        transitions_by_order = defaultdict(list)
        for transition in self.journal:
            transitions_by_order[transition.order_id].append(transition)
        return transitions_by_order

    @cached_property
    def children_by_parent(self) -> Mapping[str, Sequence[OrderRow]]:
        """The orders that came to be of each order."""
        children_by_parent = defaultdict(list)
        for row in self.rows.values():
            if row.parent_id is not None:
                children_by_parent[row.parent_id].append(row)
        return children_by_parent

    @cached_property
    def swaps_by_order(self) -> Mapping[str, Sequence[ExecutedSwap]]:
        """The transactions of swaps that were executed for each order."""
        swaps_by_order = defaultdict(list)
        for swap in self.swaps:
            if swap.signature in self.order_by_signature:
                swaps_by_order[self.order_by_signature[swap.signature]].append(swap)
        return swaps_by_order
