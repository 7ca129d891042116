"""The condition of an order from the fields that its client wrote, refused field by field."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from backend.domain.amounts import U64_MAX, Token, format_amount
from backend.domain.conditions import (
    CONFIRMATIONS_DEFAULT,
    CONFIRMATIONS_MAX,
    TRAIL_MAX_BPS,
    TRAIL_MIN_BPS,
    Condition,
    Launch,
    Limit,
    PriceCondition,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.errors import InvalidInput
from backend.domain.prices import PriceOf, PriceRatio, parse_price
from backend.domain.waiting.guards import guards_to_json
from backend.domain.waiting.slices import (
    INTERVAL_MAX_S,
    JITTER_MAX_BPS,
    SLICES_MAX,
    SLICES_MIN,
    SliceSchedule,
)

Number = str | int | Decimal
Choice = TypeVar("Choice", PriceOf, Then)

FIELDS_BY_TYPE: Final = {
    "limit": {"limitPrice"},
    "stop": {"triggerPrice", "confirmations"},
    "takeProfit": {"triggerPrice", "confirmations", "then"},
    "stopLimit": {"triggerPrice", "limitPrice", "confirmations"},
    "trailingStop": {"trailBps", "activationPrice", "confirmations"},
    "twap": {"slices", "intervalS", "jitterBps", "limitPrice"},
}
"""The types of orders that wait, and the fields that each may have."""
_LIMITED: Final = ("limit", "stopLimit")


@dataclass(frozen=True, slots=True)
class ConditionFields:
    """The fields of a condition as they were written, ``None`` where one is absent.

    A price that is known already is a ratio. ``min_amount_out`` is in base units.
    """

    limit_price: Number | PriceRatio | None = None
    trigger_price: Number | PriceRatio | None = None
    activation_price: Number | PriceRatio | None = None
    price_of: str | None = None
    trail_bps: int | None = None
    confirmations: int | None = None
    then: str | None = None
    slices: int | None = None
    interval_s: int | None = None
    jitter_bps: int | None = None
    min_amount_out: int | None = None


class ConditionReader:
    """Reads the condition of one order; its complaints are collected in ``errors``.

    ``price_of`` tells whose prices those of the condition were.
    """

    def __init__(self, token_in: Token, token_out: Token, amount_in: int) -> None:
        self.errors: list[InvalidInput] = []
        self.price_of = PriceOf.TOKEN_IN
        self._decimals = token_in.decimals, token_out.decimals
        self._symbol = token_out.symbol
        self._amount_in = amount_in

    def read(self, order_type: str, fields: ConditionFields) -> Condition | None:
        """The condition of an order of this type; ``None`` if it has none, or if there are errors.

        Every field that does not belong to the type is an error.
        """
        self.errors += find_foreign_fields(order_type, fields)
        if order_type not in FIELDS_BY_TYPE:
            return None
        count = self._read_confirmations(fields)
        self.price_of = self._read_choice(PriceOf, "priceOf", fields.price_of, PriceOf.TOKEN_IN)
        condition: Condition | None
        if order_type == "twap":
            condition = self._read_schedule(fields, self.price_of)
        else:
            condition = self._build(order_type, fields, self.price_of, count)
        return None if self.errors else condition

    def _build(
        self, order_type: str, fields: ConditionFields, price_of: PriceOf, count: int
    ) -> PriceCondition | None:
        if order_type == "trailingStop":
            return self._read_trailing_stop(fields, price_of, count)
        limit = self._read_limit(fields, price_of) if order_type in _LIMITED else None
        if order_type == "limit":
            return None if limit is None else Limit(limit)
        then = self._read_choice(Then, "then", fields.then, Then.LIMIT)
        trigger = self._read_price("triggerPrice", fields.trigger_price, price_of)
        if trigger is None:
            if fields.trigger_price is None:
                reason = f"is required for {order_type} orders"
                self._refuse("triggerPrice", reason, "missing_field")
            return None
        if order_type == "stop":
            return Stop(trigger, count)
        if order_type == "takeProfit":
            if then is Then.LIMIT:
                self._check_least("triggerPrice", trigger)
            return TakeProfit(trigger, count, then)
        return None if limit is None else StopLimit(trigger, limit, count)

    def _read_trailing_stop(
        self, fields: ConditionFields, price_of: PriceOf, count: int
    ) -> TrailingStop | None:
        activation = self._read_price("activationPrice", fields.activation_price, price_of)
        trail = fields.trail_bps
        if trail is None:
            self._refuse("trailBps", "is required for trailingStop orders", "missing_field")
            return None
        if not TRAIL_MIN_BPS <= trail <= TRAIL_MAX_BPS:
            self._refuse("trailBps", f"must be {TRAIL_MIN_BPS} to {TRAIL_MAX_BPS}")
        return TrailingStop(trail, activation, count)

    def _read_schedule(self, fields: ConditionFields, price_of: PriceOf) -> SliceSchedule | None:
        limit = self._read_price("limitPrice", fields.limit_price, price_of)
        if limit is not None:
            self._check_least("limitPrice", limit)
        slices = self._read_count("slices", fields.slices, SLICES_MIN, SLICES_MAX)
        interval_s = self._read_count("intervalS", fields.interval_s, 1, INTERVAL_MAX_S)
        jitter_bps = self._read_count("jitterBps", fields.jitter_bps or 0, 0, JITTER_MAX_BPS)
        if slices is not None and slices > self._amount_in:
            reason = f"are more than the {self._amount_in} base units of the amount"
            self._refuse("slices", reason)
        if slices is None or interval_s is None or jitter_bps is None:
            return None
        return SliceSchedule(slices, interval_s, jitter_bps, limit)

    def _read_count(self, field: str, value: int | None, least: int, most: int) -> int | None:
        if value is None:
            self._refuse(field, "is required for twap orders", "missing_field")
        elif not least <= value <= most:
            self._refuse(field, f"must be {least} to {most}")
        else:
            return value
        return None

    def _read_limit(self, fields: ConditionFields, price_of: PriceOf) -> PriceRatio | None:
        least = fields.min_amount_out
        if fields.limit_price is None:
            if least is None:
                self._refuse("limitPrice", "is required, or minAmountOut", "missing_field")
                return None
            return PriceRatio(least, self._amount_in)
        price = self._read_price("limitPrice", fields.limit_price, price_of)
        if price is None:
            return None
        own_least = price.min_amount_out(self._amount_in)
        self._check_least("limitPrice", price)
        if own_least <= U64_MAX and least is not None and least != own_least:
            shown = self._format_out(own_least)
            reason = f"contradicts limitPrice, which asks for {shown}: give one of them"
            self._refuse("minAmountOut", reason)
        return price

    def _check_least(self, field: str, price: PriceRatio) -> None:
        least = price.min_amount_out(self._amount_in)
        if least > U64_MAX:
            shown = self._format_out(least)
            self._refuse(field, f"asks for {shown}, more than a 64-bit amount")

    def _format_out(self, amount: int) -> str:
        return f"{format_amount(amount, self._decimals[1])} {self._symbol}"

    def _read_price(
        self, field: str, value: Number | PriceRatio | None, price_of: PriceOf
    ) -> PriceRatio | None:
        if value is None or isinstance(value, PriceRatio):
            return value
        try:
            return parse_price(value, *self._decimals, price_of)
        except ValueError as error:
            self._refuse(field, str(error))
            return None

    def _read_confirmations(self, fields: ConditionFields) -> int:
        count = fields.confirmations
        if count is None:
            return CONFIRMATIONS_DEFAULT
        if not 1 <= count <= CONFIRMATIONS_MAX:
            self._refuse("confirmations", f"must be 1 to {CONFIRMATIONS_MAX}")
        return count

    def _read_choice(
        self, kind: type[Choice], field: str, value: str | None, default: Choice
    ) -> Choice:
        if value is None:
            return default
        try:
            return _find_choice(kind, value)
        except ValueError as error:
            self._refuse(field, str(error))
            return default

    def _refuse(self, field: str, reason: str, code: str = "invalid_field") -> None:
        self.errors.append(InvalidInput(field, reason, code))


def _find_choice(kind: type[Choice], name: str) -> Choice:
    """The value of an enumeration by its name in any case. Raises ``ValueError`` (reason)."""
    for each in kind:
        if each.value.lower() == name.lower():
            return each
    raise ValueError(f"must be one of {', '.join(kind)}")


def find_foreign_fields(order_type: str, fields: ConditionFields) -> list[InvalidInput]:
    """The errors of fields that do not belong to the type of an order."""
    written = {
        "limitPrice": fields.limit_price,
        "triggerPrice": fields.trigger_price,
        "activationPrice": fields.activation_price,
        "trailBps": fields.trail_bps,
        "confirmations": fields.confirmations,
        "then": fields.then,
        "slices": fields.slices,
        "intervalS": fields.interval_s,
        "jitterBps": fields.jitter_bps,
    }
    reasons = {}
    for field, value in written.items():
        if value is not None and field not in FIELDS_BY_TYPE.get(order_type, set()):
            owners = ", ".join(t for t, names in FIELDS_BY_TYPE.items() if field in names)
            reasons[field] = f"belongs to orders of type {owners}, not to {order_type}"
    if fields.price_of is not None and order_type not in FIELDS_BY_TYPE:
        reasons["priceOf"] = f"belongs to orders that wait for a price, not to {order_type}"
    is_unlimited = order_type in FIELDS_BY_TYPE and order_type not in _LIMITED
    if is_unlimited and fields.min_amount_out is not None:
        instead = "give limitPrice" if order_type == "twap" else "use limit or stopLimit"
        reason = f"is no part of {order_type} orders: for a minimum {instead}"
        reasons["minAmountOut"] = reason
    return [InvalidInput(field, reason) for field, reason in reasons.items()]


def format_condition(
    condition: Condition, price_of: PriceOf, token_in: Token, token_out: Token
) -> dict[str, object]:
    """The fields of a condition as its client wrote them, in the names of the wire."""
    if isinstance(condition, Launch):
        return guards_to_json(condition.guards, token_in)
    decimals = token_in.decimals, token_out.decimals
    fields: dict[str, object] = {
        name: price.format(*decimals, price_of)
        for name, price in name_prices(condition).items()
        if price is not None
    }
    if fields:
        fields["priceOf"] = price_of.value
    if isinstance(condition, TrailingStop):
        fields["trailBps"] = condition.trail_bps
    if isinstance(condition, SliceSchedule):
        times = {"slices": condition.slices, "intervalS": condition.interval_s}
        return {**fields, **times, "jitterBps": condition.jitter_bps}
    if not isinstance(condition, Limit):
        fields["confirmations"] = condition.confirmations
    if isinstance(condition, TakeProfit):
        fields["then"] = condition.then.value
    return fields


def name_prices(condition: PriceCondition | SliceSchedule) -> dict[str, PriceRatio | None]:
    """The prices of a condition by their names on the wire."""
    match condition:
        case Limit(price):
            return {"limitPrice": price}
        case StopLimit(trigger, limit):
            return {"triggerPrice": trigger, "limitPrice": limit}
        case TrailingStop(activation=activation):
            return {"activationPrice": activation}
        case SliceSchedule(limit=limit):
            return {"limitPrice": limit}
        case _:
            return {"triggerPrice": condition.trigger}
