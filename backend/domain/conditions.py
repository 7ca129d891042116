"""What an order waits for, and whether a price that was read meets it: pure decisions.

All prices are executable prices: what the best route pays for the whole amount of the order. A
price is observed once a slot; ``observe`` returns the state to keep and whether the condition is
met. ``get_interest`` says at which prices an observation can change anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from backend.domain.amounts import BPS
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.waiting.guards import Guards
from backend.domain.waiting.slices import SliceSchedule

STALE_AFTER_SLOTS: Final = 2
"""A price that was read so many slots ago may trigger; an older one triggers nothing."""
CONFIRMATIONS_DEFAULT: Final = 2
CONFIRMATIONS_MAX: Final = 10
TRAIL_MIN_BPS: Final = 50
TRAIL_MAX_BPS: Final = 5_000
LOWEST_PRICE: Final = PriceRatio(0, 1)


class Then(StrEnum):
    """What a take-profit becomes when its trigger is met."""

    LIMIT = "limit"
    MARKET = "market"


@dataclass(frozen=True, slots=True)
class Limit:
    """Waits until the price is at least ``price``; then swaps at that price or better."""

    price: PriceRatio


@dataclass(frozen=True, slots=True)
class Stop:
    """Waits until the price is at most ``trigger``; then sells at the market."""

    trigger: PriceRatio
    confirmations: int = CONFIRMATIONS_DEFAULT


@dataclass(frozen=True, slots=True)
class TakeProfit:
    """Waits until the price is at least ``trigger``; then a limit at it, or sells at the market."""

    trigger: PriceRatio
    confirmations: int = CONFIRMATIONS_DEFAULT
    then: Then = Then.LIMIT


@dataclass(frozen=True, slots=True)
class StopLimit:
    """Waits until the price is at most ``trigger``; then becomes a limit at ``limit``."""

    trigger: PriceRatio
    limit: PriceRatio
    confirmations: int = CONFIRMATIONS_DEFAULT


@dataclass(frozen=True, slots=True)
class TrailingStop:
    """Waits until the price is ``trail_bps`` below the highest since acceptance; then sells.

    With an ``activation`` price the highest is taken from when that price was met.
    """

    trail_bps: int
    activation: PriceRatio | None = None
    confirmations: int = CONFIRMATIONS_DEFAULT


@dataclass(frozen=True, slots=True)
class Launch:
    """Waits until a pool of the pair is open and passes the guards; then buys at the market."""

    guards: Guards


PriceCondition = Limit | Stop | TakeProfit | StopLimit | TrailingStop
"""What waits for a price of the market."""
Condition = PriceCondition | SliceSchedule | Launch
Kind = TypeVar("Kind", bound=Condition)


@dataclass(frozen=True, slots=True)
class ConditionState:
    """What is remembered of the prices that were observed.

    ``high_water`` is the highest price that a trailing stop follows, ``None`` before the first: it
    is the part that must be durable. ``confirmed`` reads in a row have met the condition, the last
    in ``slot``: a worker that takes over counts them anew.
    """

    high_water: PriceRatio | None = None
    confirmed: int = 0
    slot: int = -1


INITIAL_STATE: Final = ConditionState()


@dataclass(frozen=True, slots=True)
class Observation:
    """The state after a price was observed, and whether the condition is met."""

    state: ConditionState
    is_met: bool


@dataclass(frozen=True, slots=True)
class Interest:
    """The prices at which an observation can change a condition's state or meet it.

    At ``at_least`` or above, above ``above``, and at ``at_most`` or below.
    """

    at_least: PriceRatio | None = None
    above: PriceRatio | None = None
    at_most: PriceRatio | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """What an order becomes when its condition is met.

    With a ``limit`` it is tried at that price or better, and waits for it again while it cannot be
    had. Without, it is a market order that stays triggered until it is filled, cancelled or
    expired.
    """

    limit: Limit | None


def is_fresh(slot: int, current_slot: int) -> bool:
    """Whether a price read in ``slot`` may trigger in ``current_slot``."""
    return current_slot - slot <= STALE_AFTER_SLOTS


def get_release(condition: Condition) -> Release:
    """What an order with this condition becomes when it is met."""
    match condition:
        case Limit():
            return Release(condition)
        case StopLimit(limit=price):
            return Release(Limit(price))
        case TakeProfit(trigger=price, then=Then.LIMIT):
            return Release(Limit(price))
        case _:
            return Release(None)


def get_awaited(condition: Kind, *, is_triggered: bool) -> Kind | Limit:
    """What is waited for by an order that was accepted with ``condition``.

    Once its trigger was met, it waits for the limit that it became. One that was to be sold at the
    market waits for no price then, but for something to sell: any price meets it.
    """
    if not is_triggered or not isinstance(condition, PriceCondition):
        return condition
    return get_release(condition).limit or Limit(LOWEST_PRICE)


def get_trigger(
    condition: PriceCondition, state: ConditionState = INITIAL_STATE
) -> PriceRatio | None:
    """The price that is waited for; ``None`` for a trailing stop that follows no price yet."""
    match condition:
        case Limit(price=price):
            return price
        case TrailingStop():
            return _get_trailing_trigger(condition, state)
        case _:
            return condition.trigger


def is_met_by(condition: PriceCondition, price: PriceRatio, state: ConditionState) -> bool:
    """Whether a price meets the condition, apart from the number of confirmations."""
    trigger = get_trigger(condition, state)
    if trigger is None:
        return False
    return price >= trigger if isinstance(condition, Limit | TakeProfit) else price <= trigger


def measure_distance_bps(
    condition: PriceCondition, executable: PriceRatio, state: ConditionState, price_of: PriceOf
) -> int | None:
    """How far the executable price is from meeting the condition, in basis points of itself.

    Above 0 it does not meet it, at 0 or below it does. Measured in the prices of ``price_of``.
    ``None`` where there is no such price: a trailing stop that follows none yet, or a price of 0.
    """
    trigger = get_trigger(condition, state)
    if trigger is None or not trigger.numerator or not executable.numerator:
        return None
    awaits_rise = isinstance(condition, Limit | TakeProfit)
    if price_of is PriceOf.TOKEN_OUT:  # what one token out costs has to fall then
        trigger, executable, awaits_rise = trigger.invert(), executable.invert(), not awaits_rise
    distance = trigger.distance_bps(executable)
    return distance if awaits_rise else -distance


def needs_best_price(condition: PriceCondition) -> bool:
    """Whether a fall of the price may meet it: then every venue's price must be known."""
    return isinstance(condition, Stop | StopLimit | TrailingStop)


def get_interest(condition: PriceCondition, state: ConditionState) -> Interest:
    """The prices at which ``observe`` is needed: at all others it would change nothing.

    A state with confirmations must be observed at every price, which may take them back.
    """
    match condition:
        case Limit(price=price) | TakeProfit(trigger=price):
            return Interest(at_least=price)
        case Stop(trigger=price) | StopLimit(trigger=price):
            return Interest(at_most=price)
        case TrailingStop():
            if state.high_water is None:
                return Interest(at_least=condition.activation or LOWEST_PRICE)
            trigger = _get_trailing_trigger(condition, state)
            return Interest(above=state.high_water, at_most=trigger)


def observe(
    condition: PriceCondition, state: ConditionState, executable_price: PriceRatio, slot: int
) -> Observation:
    """Observe the executable price as of ``slot``, which the caller found fresh.

    A read of a slot that was observed already, or of an earlier one, confirms nothing. A price
    that does not meet the condition takes back the confirmations so far.
    """
    if isinstance(condition, TrailingStop):
        state = _raise_high_water(condition, state, executable_price)
    if not is_met_by(condition, executable_price, state):
        return Observation(replace(state, confirmed=0) if state.confirmed else state, is_met=False)
    if isinstance(condition, Limit):
        return Observation(state, is_met=True)
    if slot <= state.slot:
        return Observation(state, is_met=False)
    confirmed = state.confirmed + 1
    is_met = confirmed >= condition.confirmations
    return Observation(replace(state, confirmed=confirmed, slot=slot), is_met)


def _raise_high_water(
    condition: TrailingStop, state: ConditionState, price: PriceRatio
) -> ConditionState:
    if state.high_water is None:
        is_active = condition.activation is None or price >= condition.activation
        return replace(state, high_water=price) if is_active else state
    return replace(state, high_water=price) if price > state.high_water else state


def _get_trailing_trigger(condition: TrailingStop, state: ConditionState) -> PriceRatio | None:
    if state.high_water is None:
        return None
    return state.high_water.scale_bps(BPS - condition.trail_bps)
