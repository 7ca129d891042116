"""When the slices of a TWAP order should be placed, and for how much, as its replay understands it.

It is written from the documents alone. Times are microseconds of the database's clock since the
order was accepted. The seed of the jitter is the engine's own, so that a time and an amount are
known within the jitter only; without one they are known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from backend.trials.oracle.rules import BPS

SECOND_US: Final = 1_000_000
PLACED_US_MAX: Final = 2 * SECOND_US
"""A slice is placed so long after its time at most, while somebody watches."""
LATE_US: Final = SECOND_US
"""Those after a slice that is later than this keep their distance to it."""
LOOK_US: Final = 8 * SECOND_US
"""That all slices have ended is seen so much later at most."""
_RACE_US: Final = SECOND_US
"""A slice that ended so short before another was placed may have been under way for that one."""
_ROUNDING: Final = 2
"""An amount may be so many base units from its share."""


class SliceRule(NamedTuple):
    """``slices`` of an amount, one each ``interval_us``.

    ``jitter_bps`` is how far the weight of a slice may be from that of an even division, and the
    part of the interval by which it may be later.
    """

    amount_in: int
    slices: int
    interval_us: int
    jitter_bps: int = 0

    @property
    def jitter_us(self) -> int:
        """How much later than in an even division a slice may be due."""
        return self.interval_us * self.jitter_bps // BPS


class Slice(NamedTuple):
    """A slice that was placed. ``ended_at`` is when it ended unfilled, ``None`` if it is open."""

    at: int
    amount_in: int
    ended_at: int | None = None


class SlicesSeen(NamedTuple):
    """What became of an order until a time: its slices in their order, and whether it has ended.

    ``watched`` are the times in which somebody watched, each from and to.
    """

    slices: Sequence[Slice]
    watched: Sequence[tuple[int, int]]
    until: int
    has_ended: bool = False


class _Due(NamedTuple):
    """A time of which is known that it is between two others."""

    earliest: int
    latest: int

    def shift(self, us: int) -> _Due:
        return _Due(self.earliest + us, self.latest + us)


def find_slice_faults(rule: SliceRule, seen: SlicesSeen) -> Iterator[str]:
    """Say what is wrong with the slices of an order; nothing follows the first wrong time."""
    start = _Due(0, 0)
    for index, each in enumerate(seen.slices):
        yield from _find_wrong_amount(rule, seen.slices[:index], each)
        due = _find_due(rule, start, seen.slices[:index])
        if each.at < due.earliest:
            yield f"slice {index + 1} came {_show_us(due.earliest - each.at)} early"
            return
        if each.at > _find_deadline(seen, due.latest, is_looked_for=index >= rule.slices):
            yield f"slice {index + 1} came {_show_us(each.at - due.latest)} late"
            return
        start = _follow(rule, start, index, each.at)
    yield from _find_wrong_end(rule, start, seen)


def _find_due(rule: SliceRule, start: _Due, before: Sequence[Slice]) -> _Due:
    """When the slice after some others is due, in a schedule that began at ``start``."""
    due = start.shift(len(before) * rule.interval_us)
    due = due._replace(latest=due.latest + rule.jitter_us)
    if len(before) < rule.slices:
        return due
    # What all have left gets one more, when the last of them has ended.
    ended = max((each.ended_at or each.at for each in before), default=0)
    return _Due(max(due.earliest, ended), max(due.latest, ended))


def _follow(rule: SliceRule, start: _Due, index: int, at: int) -> _Due:
    """When the schedule began, as those after a slice see it: later if that one was late."""
    even = at - index * rule.interval_us
    is_surely_late = even > start.latest + rule.jitter_us + LATE_US
    is_surely_punctual = even <= start.earliest + LATE_US
    if is_surely_punctual:
        return start
    late = _Due(max(start.earliest + LATE_US, even - rule.jitter_us), even)
    return late if is_surely_late else _Due(start.earliest, max(start.latest, late.latest))


def _find_deadline(seen: SlicesSeen, due: int, *, is_looked_for: bool) -> int:
    """When a slice has to be there that is due at a time: not while nobody watches."""
    most = LOOK_US if is_looked_for else PLACED_US_MAX
    deadlines = (
        max(due, since) + most for since, to in seen.watched if max(due, since) + most <= to
    )
    return min(deadlines, default=seen.until)


def _find_wrong_amount(rule: SliceRule, before: Sequence[Slice], placed: Slice) -> Iterator[str]:
    open_in = sum(each.amount_in for each in before if _is_open(each, placed.at))
    maybe_in = sum(each.amount_in for each in before if _is_open(each, placed.at - _RACE_US))
    least, most = _share(rule, len(before), rule.amount_in - maybe_in, rule.amount_in - open_in)
    number = f"slice {len(before) + 1}"
    if len(before) > rule.slices:
        yield f"{number} is one more than the {rule.slices}, and one for what they left"
    if placed.amount_in <= 0 or open_in + placed.amount_in > rule.amount_in:
        yield f"{number} of {placed.amount_in} is more than what is left of {rule.amount_in}"
    elif not least <= placed.amount_in <= most:
        yield f"{number} is of {placed.amount_in}, and not of {least} to {most}"


def _share(rule: SliceRule, index: int, least: int, most: int) -> tuple[int, int]:
    """The least and the most that a slice is of, if so much is left for it and those after it."""
    after = rule.slices - index - 1
    if after <= 0:
        return least, most
    light, heavy = BPS - rule.jitter_bps, BPS + rule.jitter_bps
    lowest = Fraction(least * light, light + after * heavy)
    highest = Fraction(most * heavy, heavy + after * light)
    return int(lowest) - _ROUNDING, int(highest) + _ROUNDING


def _find_wrong_end(rule: SliceRule, start: _Due, seen: SlicesSeen) -> Iterator[str]:
    """Say what should have followed the last slice: another one, or the end of the order."""
    placed = seen.slices
    open_in = sum(each.amount_in for each in placed if each.ended_at is None)
    if seen.has_ended:
        if open_in or len(placed) <= rule.slices:
            yield f"it has ended after {len(placed)} slices, and {open_in} of them is open"
        return
    due = _find_due(rule, start, placed)
    if len(placed) > rule.slices:
        if not open_in and seen.until > _find_deadline(seen, due.latest, is_looked_for=True):
            yield "it has not ended, and all of its slices have"
        return
    is_last = len(placed) == rule.slices
    if open_in == rule.amount_in or (is_last and open_in):
        return
    if seen.until > _find_deadline(seen, due.latest, is_looked_for=is_last):
        yield f"slice {len(placed) + 1} never came"


def _is_open(placed: Slice, at: int) -> bool:
    return placed.ended_at is None or placed.ended_at > at


def _show_us(us: int) -> str:
    return f"{us / SECOND_US:.3f} s"
