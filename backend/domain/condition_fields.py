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
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.errors import InvalidInput
from backend.domain.orders import OrderTerms
from backend.domain.prices import PriceOf, PriceRatio, parse_price

Number = str | int | Decimal
Choice = TypeVar("Choice", PriceOf, Then)

FIELDS_BY_TYPE: Final = {
    "limit": {"limitPrice"},
    "stop": {"triggerPrice", "confirmations"},
    "takeProfit": {"triggerPrice", "confirmations", "then"},
    "stopLimit": {"triggerPrice", "limitPrice", "confirmations"},
    "trailingStop": {"trailBps", "activationPrice", "confirmations"},
}
"""The types of orders that wait for a price, and the fields that each may have."""
_LIMITED: Final = ("limit", "stopLimit")


@dataclass(frozen=True, slots=True)
class ConditionFields:
    """The fields of a condition as they were written, ``None`` where one is absent.

    ``min_amount_out`` is in base units.
    """

    limit_price: Number | None = None
    trigger_price: Number | None = None
    activation_price: Number | None = None
    price_of: str | None = None
    trail_bps: int | None = None
    confirmations: int | None = None
    then: str | None = None
    min_amount_out: int | None = None


class ConditionReader:
    """Reads the condition of one order; its complaints are collected in ``errors``."""

    def __init__(self, token_in: Token, token_out: Token, amount_in: int) -> None:
        self.errors: list[InvalidInput] = []
        self._decimals = token_in.decimals, token_out.decimals
        self._symbol = token_out.symbol
        self._amount_in = amount_in

    def read(self, order_type: str, fields: ConditionFields) -> Condition | None:
        """The condition of an order of this type; ``None`` if it has none, or if there are errors.

        Every field that does not belong to the type is an error.
        """
        self._check_fields(order_type, fields)
        if order_type not in FIELDS_BY_TYPE:
            return None
        count = self._read_confirmations(fields)
        price_of = self._read_choice(PriceOf, "priceOf", fields.price_of, PriceOf.TOKEN_IN)
        condition = self._build(order_type, fields, price_of, count)
        return None if self.errors else condition

    def _build(
        self, order_type: str, fields: ConditionFields, price_of: PriceOf, count: int
    ) -> Condition | None:
        if order_type == "trailingStop":
            return self._read_trailing_stop(fields, price_of, count)
        limit = self._read_limit(fields, price_of) if order_type in _LIMITED else None
        if order_type == "limit":
            return None if limit is None else Limit(limit)
        then = self._read_choice(Then, "then", fields.then, Then.LIMIT)
        trigger = self._read_price("triggerPrice", fields.trigger_price, price_of)
        if trigger is None:
            if fields.trigger_price is None:
                self._refuse("triggerPrice", "is required", "missing_field")
            return None
        if order_type == "stop":
            return Stop(trigger, count)
        if order_type == "takeProfit":
            return TakeProfit(trigger, count, then)
        return None if limit is None else StopLimit(trigger, limit, count)

    def _read_trailing_stop(
        self, fields: ConditionFields, price_of: PriceOf, count: int
    ) -> TrailingStop | None:
        activation = self._read_price("activationPrice", fields.activation_price, price_of)
        trail = fields.trail_bps
        if trail is None:
            self._refuse("trailBps", "is required", "missing_field")
            return None
        if not TRAIL_MIN_BPS <= trail <= TRAIL_MAX_BPS:
            self._refuse("trailBps", f"must be {TRAIL_MIN_BPS} to {TRAIL_MAX_BPS}")
        return TrailingStop(trail, activation, count)

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
        shown = f"{format_amount(own_least, self._decimals[1])} {self._symbol}"
        if own_least > U64_MAX:
            self._refuse("limitPrice", f"asks for {shown}, more than a 64-bit amount")
        elif least is not None and least != own_least:
            reason = f"contradicts limitPrice, which asks for {shown}: give one of them"
            self._refuse("minAmountOut", reason)
        return price

    def _read_price(self, field: str, value: Number | None, price_of: PriceOf) -> PriceRatio | None:
        if value is None:
            return None
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
            return kind(value)
        except ValueError:
            self._refuse(field, f"must be one of {', '.join(kind)}")
            return default

    def _check_fields(self, order_type: str, fields: ConditionFields) -> None:
        written = {
            "limitPrice": fields.limit_price,
            "triggerPrice": fields.trigger_price,
            "activationPrice": fields.activation_price,
            "trailBps": fields.trail_bps,
            "confirmations": fields.confirmations,
            "then": fields.then,
        }
        for field, value in written.items():
            if value is not None and field not in FIELDS_BY_TYPE.get(order_type, set()):
                owners = ", ".join(t for t, names in FIELDS_BY_TYPE.items() if field in names)
                self._refuse(field, f"belongs to orders of type {owners}, not to {order_type}")
        if fields.price_of is not None and order_type not in FIELDS_BY_TYPE:
            self._refuse("priceOf", f"belongs to orders that wait for a price, not to {order_type}")
        is_market = order_type in FIELDS_BY_TYPE and order_type not in _LIMITED
        if is_market and fields.min_amount_out is not None:
            reason = f"is no part of {order_type} orders: for a minimum use limit or stopLimit"
            self._refuse("minAmountOut", reason)

    def _refuse(self, field: str, reason: str, code: str = "invalid_field") -> None:
        self.errors.append(InvalidInput(field, reason, code))


def format_condition(terms: OrderTerms) -> dict[str, object]:
    """The fields of an order's condition as its client wrote them, in the names of the wire."""
    condition = terms.condition
    if condition is None:
        return {}
    fields: dict[str, object] = {
        name: _format_price(price, terms)
        for name, price in _name_prices(condition).items()
        if price is not None
    }
    if terms.price_of is not PriceOf.TOKEN_IN and fields:
        fields["priceOf"] = terms.price_of.value
    if isinstance(condition, TrailingStop):
        fields["trailBps"] = condition.trail_bps
    if not isinstance(condition, Limit):
        fields["confirmations"] = condition.confirmations
    if isinstance(condition, TakeProfit):
        fields["then"] = condition.then.value
    return fields


def _name_prices(condition: Condition) -> dict[str, PriceRatio | None]:
    match condition:
        case Limit(price):
            return {"limitPrice": price}
        case StopLimit(trigger, limit):
            return {"triggerPrice": trigger, "limitPrice": limit}
        case TrailingStop(activation=activation):
            return {"activationPrice": activation}
        case _:
            return {"triggerPrice": condition.trigger}


def _format_price(price: PriceRatio, terms: OrderTerms) -> str:
    return price.format(terms.token_in.decimals, terms.token_out.decimals, terms.price_of)
