"""TWAP: an order that is executed in slices over time, each an ordinary child order.

Everything is a function of the order's terms and of what its slices have become, so that whoever
comes after a crash derives the same slice, with the same ids. The share of a slice is that of an
even division, times a random weight; what a slice leaves goes to those after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from backend.domain.amounts import BPS, Token, format_amount
from backend.domain.prices import PriceOf, PriceRatio

SLICES_MIN: Final = 2
SLICES_MAX: Final = 1_000
INTERVAL_MAX_S: Final = 86_400
JITTER_MAX_BPS: Final = 5_000
LATE_AFTER: Final = timedelta(seconds=1)
"""A slice placed later than this is late: those after it keep their distance to it."""
LIMIT_TIME_MIN: Final = timedelta(seconds=1)
"""A slice with a limit price waits for it so long at least."""
CLIENT_ID_PREFIX: Final = "twap:"
"""Of the client order ids of slices. No client's own may begin with it."""

_CHANCE_ONE: Final = 2**32


@dataclass(frozen=True, slots=True)
class SliceSchedule:
    """Waits for its times: so many slices, one each ``interval_s`` seconds.

    ``jitter_bps`` is the largest deviation of a slice's weight from 1, and the part of the interval
    by which it may be later. No slice is swapped at a price below ``limit``.
    """

    slices: int
    interval_s: int
    jitter_bps: int = 0
    limit: PriceRatio | None = None

    def __post_init__(self) -> None:
        assert SLICES_MIN <= self.slices <= SLICES_MAX
        assert 1 <= self.interval_s <= INTERVAL_MAX_S
        assert 0 <= self.jitter_bps <= JITTER_MAX_BPS

    @property
    def interval(self) -> timedelta:
        """The time from one slice to the next."""
        return timedelta(seconds=self.interval_s)

    @property
    def ahead_max(self) -> timedelta:
        """The longest time from one slice to the next, and more."""
        return 2 * self.interval

    @property
    def limit_time(self) -> timedelta:
        """How long a slice waits for its limit price, before its amount goes to the rest."""
        return max(self.interval / 2, LIMIT_TIME_MIN)


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """A schedule for an ``amount`` of at least one base unit for each slice.

    ``seed`` decides what is random in it.
    """

    schedule: SliceSchedule
    amount: int
    seed: bytes

    def __post_init__(self) -> None:
        assert self.schedule.slices <= self.amount


@dataclass(frozen=True, slots=True)
class SliceProgress:
    """What has become of the slices so far, in base units: FIX's CumQty and AvgPx.

    ``placed`` of them were placed. Those that are open may still be filled, or end unfilled. Of the
    fills, ``valued_amount_in`` is what brought ``amount_out``: the amount of a fill may come late.
    """

    placed: int = 0
    open_amount_in: int = 0
    filled_amount_in: int = 0
    valued_amount_in: int = 0
    amount_out: int = 0

    @property
    def average_price(self) -> PriceRatio | None:
        """What the fills have brought on average; ``None`` while no amount is known."""
        return PriceRatio(self.amount_out, self.valued_amount_in) if self.valued_amount_in else None


def plan_next_slice(plan: SlicePlan, progress: SliceProgress) -> int | None:
    """The amount of the next slice; ``None`` if there is none as long as nothing changes.

    It is its share of what is neither filled nor under way. When all have been placed and have
    ended, what they left gets one slice more, the last one.
    """
    remaining = plan.amount - progress.filled_amount_in - progress.open_amount_in
    slices = plan.schedule.slices
    if not remaining or progress.placed > slices:
        return None
    if progress.placed == slices:
        return None if progress.open_amount_in else remaining
    weights = [_weigh(plan, index) for index in range(progress.placed, slices)]
    return _share(remaining, weights)


def has_ended(plan: SlicePlan, progress: SliceProgress) -> bool:
    """Whether no slice is open, and none will follow."""
    return not progress.open_amount_in and plan_next_slice(plan, progress) is None


def compute_offset(plan: SlicePlan, index: int) -> timedelta:
    """When the slice of this number, from 0, is due after the start, if none is late."""
    schedule = plan.schedule
    chance = _draw(plan.seed, b"time", index)
    jitter_us = schedule.interval_s * 1_000_000 * schedule.jitter_bps * chance
    return index * schedule.interval + timedelta(microseconds=jitter_us // (BPS * _CHANCE_ONE))


def compute_gap(plan: SlicePlan, index: int) -> timedelta:
    """The time from a slice to the next one: at least half the interval."""
    return compute_offset(plan, index + 1) - compute_offset(plan, index)


def derive_client_order_id(parent_id: UUID, index: int) -> str:
    """The client order id of a slice, whose numbers are from 1 for clients."""
    return f"{CLIENT_ID_PREFIX}{parent_id.hex}:{index + 1}"


def derive_slice_id(parent_id: UUID, index: int, due_at: datetime) -> UUID:
    """The order id of a slice: the same whoever places it. Ids sort by the time when it was due.

    A UUIDv8 in the form of the version 7, which all other orders have.
    """
    milliseconds = int(due_at.timestamp() * 1_000) & (2**48 - 1)
    digest = sha256(b"slice %d of %b" % (index, parent_id.bytes)).digest()
    value = milliseconds << 80 | int.from_bytes(digest[:10], "big")
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)


def format_progress(
    progress: SliceProgress, amount_in: int, tokens: tuple[Token, Token], price_of: PriceOf
) -> dict[str, object]:
    """What an order of ``amount_in`` has filled, in the names of the wire.

    What it brought is the sum of the amounts that are known: ``amountKnown`` if all are.
    """
    token_in, token_out = tokens
    price, filled = progress.average_price, progress.filled_amount_in
    shown = None if price is None else price.format(token_in.decimals, token_out.decimals, price_of)
    return {
        "slicesPlaced": progress.placed,
        "filledAmountIn": format_amount(filled, token_in.decimals),
        "leavesAmountIn": format_amount(amount_in - filled, token_in.decimals),
        "amountOut": format_amount(progress.amount_out, token_out.decimals) if price else None,
        "amountKnown": 0 < filled == progress.valued_amount_in,
        "averagePrice": shown,
    }


def _share(amount: int, weights: Sequence[int]) -> int:
    """The first one's share of ``amount`` by ``weights``: rounded down, at least 1 for each."""
    if len(weights) == 1:
        return amount
    spare = amount - len(weights)
    if spare <= 0:  # what is under way may leave fewer base units than slices: one each
        return 1
    return 1 + spare * weights[0] // sum(weights)


def _weigh(plan: SlicePlan, index: int) -> int:
    chance = _draw(plan.seed, b"amount", index)
    return BPS * _CHANCE_ONE + plan.schedule.jitter_bps * (2 * chance - _CHANCE_ONE)


def _draw(seed: bytes, purpose: bytes, index: int) -> int:
    """A number below ``_CHANCE_ONE`` that looks random, and is the same for the same arguments."""
    digest = sha256(b"%d:%b:%d:%b" % (len(seed), seed, index, purpose)).digest()
    return int.from_bytes(digest[:4], "big")
