"""TWAP: an order that is executed in slices over time, each an ordinary child order.

Everything is a function of the parent's terms and of the children that were placed, so that
whoever comes after a crash derives the same slice, with the same client order id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from backend.domain.amounts import BPS
from backend.domain.prices import PriceRatio

SLICES_MAX: Final = 1_000
JITTER_MAX_BPS: Final = 5_000
LATE_AFTER: Final = timedelta(seconds=1)
"""A slice placed later than this is late: those after it keep their distance to it."""
CLIENT_ID_PREFIX: Final = "twap:"
"""Of the client order ids of slices. No client's own may begin with it."""

_CHANCE_ONE: Final = 2**32


class SliceOutcome(StrEnum):
    """What became of a placed slice, as far as it matters to the rest."""

    OPEN = "open"
    FILLED = "filled"
    UNFILLED = "unfilled"
    """It ended without a fill: its amount goes to the remaining slices."""


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """The terms of a TWAP order.

    ``amount`` is in base units of the token in. ``jitter_bps`` is the largest deviation of a
    slice's amount from the even share, and the part of the interval by which a slice may be later;
    ``seed`` decides both. At most ``amount`` slices, so that none is empty.
    """

    amount: int
    slices: int
    interval: timedelta
    starts_at: datetime
    seed: bytes = b""
    jitter_bps: int = 0

    def __post_init__(self) -> None:
        assert 1 <= self.slices <= min(SLICES_MAX, self.amount)
        assert 0 <= self.jitter_bps <= JITTER_MAX_BPS
        assert self.interval > timedelta(0)


@dataclass(frozen=True, slots=True)
class PlacedSlice:
    """A child order: its number from 0, its amount, and what became of it."""

    index: int
    amount_in: int
    placed_at: datetime
    outcome: SliceOutcome
    amount_out: int = 0


@dataclass(frozen=True, slots=True)
class NextSlice:
    """The slice to place at ``due_at``, or at once if that has passed.

    After ``retry_for`` from then its tries end, and its amount goes to the rest.
    """

    index: int
    amount_in: int
    due_at: datetime
    retry_for: timedelta


@dataclass(frozen=True, slots=True)
class SliceProgress:
    """How far a parent is, in base units: FIX's CumQty, LeavesQty and AvgPx.

    ``average_price`` is ``None`` as long as nothing was filled.
    """

    filled_amount_in: int
    leaves_amount_in: int
    amount_out: int
    average_price: PriceRatio | None


def derive_client_order_id(parent_id: UUID, index: int) -> str:
    """The client order id of a slice: unique, so that it is placed once."""
    return f"{CLIENT_ID_PREFIX}{parent_id.hex}:{index}"


def plan_next_slice(plan: SlicePlan, placed: Sequence[PlacedSlice]) -> NextSlice | None:
    """The slice after those in ``placed``, which are in order; ``None`` if there is none.

    It takes its share of what is neither filled nor under way, so that the amount of a slice that
    ended unfilled is spread over the remaining ones; what the last one leaves gets one slice more.
    A slice that is open may still end unfilled: then ask again.
    """
    index = len(placed)
    assert [each.index for each in placed] == list(range(index))
    remaining = plan.amount - sum(
        each.amount_in for each in placed if each.outcome is not SliceOutcome.UNFILLED
    )
    if not remaining or index > plan.slices:
        return None
    amount = remaining
    if index < plan.slices:
        amount = _share(remaining, [_weigh(plan, i) for i in range(index, plan.slices)])
    return NextSlice(index, amount, _find_due_time(plan, placed), plan.interval / 2)


def compute_progress(plan: SlicePlan, placed: Sequence[PlacedSlice]) -> SliceProgress:
    """Sum up what the slices have filled; all sums are exact."""
    filled = [each for each in placed if each.outcome is SliceOutcome.FILLED]
    amount_in = sum(each.amount_in for each in filled)
    amount_out = sum(each.amount_out for each in filled)
    average = PriceRatio(amount_out, amount_in) if amount_in else None
    return SliceProgress(amount_in, plan.amount - amount_in, amount_out, average)


def _share(amount: int, weights: Sequence[int]) -> int:
    """The first one's share of ``amount`` by ``weights``: rounded down, at least 1 for each."""
    spare = amount - len(weights)
    if spare <= 0:  # fewer base units than slices, after some were placed: one each
        return 1
    return 1 + spare * weights[0] // sum(weights) if len(weights) > 1 else amount


def _weigh(plan: SlicePlan, index: int) -> int:
    chance = _draw(plan.seed, b"amount", index)
    return BPS * _CHANCE_ONE + plan.jitter_bps * (2 * chance - _CHANCE_ONE)


def _find_due_time(plan: SlicePlan, placed: Sequence[PlacedSlice]) -> datetime:
    shift = timedelta(0)
    for each in placed:
        late_by = each.placed_at - (_schedule(plan, each.index) + shift)
        if late_by > LATE_AFTER:
            shift += late_by
    return _schedule(plan, len(placed)) + shift


def _schedule(plan: SlicePlan, index: int) -> datetime:
    """When a slice is due if none is late."""
    chance = _draw(plan.seed, b"time", index)
    jitter_us = plan.interval // timedelta(microseconds=1) * plan.jitter_bps * chance
    jitter = timedelta(microseconds=jitter_us // (BPS * _CHANCE_ONE))
    return plan.starts_at + index * plan.interval + jitter


def _draw(seed: bytes, purpose: bytes, index: int) -> int:
    """A number below ``_CHANCE_ONE`` that looks random, and is the same for the same arguments."""
    digest = sha256(b"%d:%b:%d:%b" % (len(seed), seed, index, purpose)).digest()
    return int.from_bytes(digest[:4], "big")
