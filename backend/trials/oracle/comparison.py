"""The comparison: when the engine released each order, and when the replay says that it should."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple
from uuid import UUID

from backend.trials.oracle.launches import DrawnSniper
from backend.trials.oracle.orders import DrawnOrder
from backend.trials.oracle.path import Step
from backend.trials.oracle.rules import Reading, find_met_step

STEPS_APART_MAX: Final = 1
"""The engine and the replay may differ by so many slots of the path."""
_PRECISION: Final = Fraction(1, 10**11)
"""Prices in events have 12 significant digits, unless they are exact."""


class PlacedOrder(NamedTuple):
    """An order, the step in which it began to wait, and the name of its pair, if it is of one."""

    order: DrawnOrder
    step: int
    group: str | None = None


class Release(NamedTuple):
    """What the engine tells of a release: the slot and the pool, and the price of one token."""

    slot: int
    pool: str
    price: str


@dataclass(slots=True)
class OracleResult:
    """The counts of a run, by type of order, and its differences, as sentences.

    ``exact`` were released in the very step of the replay, ``restricted`` may use some pools only;
    ``readings`` are the prices that the replay looked at.
    """

    orders: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)
    restricted: Counter[str] = field(default_factory=Counter)
    readings: int = 0
    differences: list[str] = field(default_factory=list)


def compare(
    placed: Mapping[UUID, PlacedOrder],
    releases: Mapping[UUID, Release],
    steps: Sequence[Step],
    restarts: Collection[int],
) -> OracleResult:
    """Replay every order over the recorded steps, and compare."""
    result = OracleResult()
    step_of_slot = {step.slot: number for number, step in enumerate(steps)}
    met = {
        order_id: find_met_step(each.order.rule, _read(each, steps, result), restarts)
        for order_id, each in placed.items()
    }
    _drop_siblings(placed, met, releases)
    for order_id, each in placed.items():
        kind, expected = str(each.order.body["type"]), met[order_id]
        release = releases.get(order_id)
        actual = None if release is None else step_of_slot.get(release.slot)
        result.orders[kind] += 1
        result.released[kind] += release is not None
        result.restricted[kind] += each.order.pools is not None
        result.exact[kind] += expected == actual and _is_best(each.order, release, steps, actual)
        fault = _find_fault(each, release, expected, actual, steps)
        if fault is not None:
            result.differences.append(f"{each.order.body} of step {each.step}: {fault}")
    return result


def _drop_siblings(
    placed: Mapping[UUID, PlacedOrder],
    met: dict[UUID, int | None],
    releases: Collection[UUID],
) -> None:
    """Of a pair, the one that is met first is released, and the other never: nothing ends here."""
    pairs: defaultdict[str, list[UUID]] = defaultdict(list)
    for order_id, each in placed.items():
        if each.group is not None:
            pairs[each.group].append(order_id)
    for legs in pairs.values():
        steps = {leg: step for leg in legs if (step := met[leg]) is not None}
        if len(steps) == 2:
            first, second = sorted(legs, key=lambda leg: steps[leg])
            # Which one is first within the slots that the engine may differ by, is its choice.
            is_close = steps[second] - steps[first] <= STEPS_APART_MAX
            met[first if is_close and first not in releases else second] = None


def _read(placed: PlacedOrder, steps: Sequence[Step], result: OracleResult) -> Iterator[Reading]:
    for number in range(placed.step, len(steps)):
        result.readings += 1
        yield Reading(number, _find_price(placed.order, steps, number))


def _find_price(
    order: DrawnOrder, steps: Sequence[Step], number: int, pool: str | None = None
) -> Fraction | None:
    step = steps[number]
    if isinstance(order, DrawnSniper):
        return order.find_offer(number, step.time, pool)
    asked = order.pools if pool is None else {pool}
    return step.find_price(order.direction, order.amount_in, order.rule.cap_bps, asked)


def _find_fault(
    placed: PlacedOrder,
    release: Release | None,
    expected: int | None,
    actual: int | None,
    steps: Sequence[Step],
) -> str | None:
    if release is None:
        return None if expected is None else f"never released, and met in step {expected}"
    if actual is None:
        return f"released by slot {release.slot}, which is none of the path"
    if expected is None:
        return f"released in step {actual}, and never met"
    if abs(expected - actual) > STEPS_APART_MAX:
        return f"released in step {actual}, and met in step {expected}"
    return _find_wrong_price(placed, release, steps, actual, is_met=expected == actual)


def _find_wrong_price(
    placed: PlacedOrder, release: Release, steps: Sequence[Step], number: int, *, is_met: bool
) -> str | None:
    """Say what is wrong with the price that was told in a step, which ``is_met`` by the replay.

    What the node tells of several pools, and of several accounts of one, comes one by one: some of
    it may be that of the slot before or after.
    """
    order, told = placed.order, Fraction(release.price)
    if order.pools is not None and release.pool not in order.pools:
        return f"released by pool {release.pool}, which it may not use"
    near = range(max(number - STEPS_APART_MAX, 0), min(number + STEPS_APART_MAX + 1, len(steps)))
    paid = {each: _find_price(order, steps, each, release.pool) for each in near}
    fitting = [each for each, price in paid.items() if price and _is_shown_as(order, price, told)]
    if not fitting:
        return f"released at {release.price}, and pool {release.pool} paid {paid[number]}"
    best, price = _find_price(order, steps, number), paid[number]
    if isinstance(order, DrawnSniper):
        # Pools are found one after the other, the first when an order waits for them.
        is_new = placed.step == number
        best = None if is_new else order.find_known_offer(number, steps[number].time)
    if is_met and number in fitting and price and best and price < best:
        return f"released at {release.price}, and another pool paid {best} in step {number}"
    return None


def _is_best(
    order: DrawnOrder, release: Release | None, steps: Sequence[Step], number: int | None
) -> bool:
    """Whether a release tells the best price of its step; one that was none tells none."""
    if release is None or number is None:
        return release is None
    best = _find_price(order, steps, number)
    return best is not None and _is_shown_as(order, best, Fraction(release.price))


def _is_shown_as(order: DrawnOrder, price: Fraction, shown: Fraction) -> bool:
    """Whether a decimal is a price of base units, in the way round of the order's own price."""
    token_in, token_out = order.direction
    exact = price * Fraction(10**token_in.decimals, 10**token_out.decimals)
    if order.body.get("priceOf") == "tokenOut":
        exact = 1 / exact
    return abs(shown - exact) <= exact * _PRECISION
