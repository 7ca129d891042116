"""The fields of an order that say what it waits for: their schema, and the condition they make."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field

from backend.api.wire.fields import Price, integral_to_int
from backend.api.wire.problems import FieldError
from backend.domain.condition_fields import ConditionFields, ConditionReader, find_foreign_fields
from backend.domain.conditions import (
    CONFIRMATIONS_DEFAULT,
    CONFIRMATIONS_MAX,
    TRAIL_MAX_BPS,
    TRAIL_MIN_BPS,
    Condition,
    Then,
    get_release,
)
from backend.domain.errors import InvalidInput
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceOf

PRICE_OF_SCHEMA: Final[dict[str, object]] = {
    "enum": [each.value for each in PriceOf],
    "description": "Whose price the prices of the order are: what one token in brings, the default,"
    " or what one token out costs.",
}
THEN_SCHEMA: Final[dict[str, object]] = {
    "enum": [each.value for each in Then],
    "description": "What a `takeProfit` becomes at its trigger: a limit at that price, the default,"
    " or a market order.",
}
_TRAIL: Final = "How far below the highest price since its acceptance, or since `activationPrice`"
_CONFIRMATIONS: Final = (
    f"How many reads of the price in a row have to meet the trigger; {CONFIRMATIONS_DEFAULT} by"
    " default."
)


PriceOfName = Annotated[str, Field(strict=True, json_schema_extra=PRICE_OF_SCHEMA)]
TrailBps = Annotated[
    int,
    Field(
        strict=True,
        ge=TRAIL_MIN_BPS,
        le=TRAIL_MAX_BPS,
        description=f"{_TRAIL}, a `trailingStop` sells.",
    ),
    BeforeValidator(integral_to_int),
]
ConfirmationCount = Annotated[
    int,
    Field(strict=True, ge=1, le=CONFIRMATIONS_MAX, description=_CONFIRMATIONS),
    BeforeValidator(integral_to_int),
]
ThenName = Annotated[str, Field(strict=True, json_schema_extra=THEN_SCHEMA)]


class ConditionBody(BaseModel):
    """What an order waits for."""

    limit_price: Price | None = None
    trigger_price: Price | None = None
    activation_price: Price | None = None
    price_of: PriceOfName | None = None
    trail_bps: TrailBps | None = None
    confirmations: ConfirmationCount | None = None
    then: ThenName | None = None


_FIELD_NAMES: Final = frozenset(ConditionBody.model_fields)


def resolve_condition(
    body: ConditionBody,
    kind: OrderType,
    terms: OrderTerms | None,
    stop_slippage_bps: int | None,
    errors: list[FieldError],
) -> OrderTerms | None:
    """The terms of a swap as those of an order of this type, with what it waits for.

    Without ``terms``, which had errors, it is only checked which fields belong to the type. Then,
    and if there are errors here, the result is ``None``. ``stop_slippage_bps`` replaces the
    slippage of what is sold at the market when its trigger is met.
    """
    if kind is OrderType.MARKET and _FIELD_NAMES.isdisjoint(body.model_fields_set):
        return terms
    fields = ConditionFields(
        limit_price=body.limit_price,
        trigger_price=body.trigger_price,
        activation_price=body.activation_price,
        price_of=body.price_of,
        trail_bps=body.trail_bps,
        confirmations=body.confirmations,
        then=body.then,
        min_amount_out=None if terms is None else terms.min_amount_out,
    )
    if terms is None:
        _add_errors(find_foreign_fields(kind, fields), errors)
        return None
    reader = ConditionReader(terms.token_in, terms.token_out, terms.amount_in)
    condition = reader.read(kind, fields)
    _add_errors(reader.errors, errors)
    if reader.errors:
        return None
    if condition is None:
        return terms
    price_of = PriceOf.TOKEN_IN if body.price_of is None else PriceOf(body.price_of)
    return _with_condition(replace(terms, type=kind), condition, price_of, stop_slippage_bps)


def _with_condition(
    terms: OrderTerms, condition: Condition, price_of: PriceOf, stop_slippage_bps: int | None
) -> OrderTerms:
    limit = get_release(condition).limit
    least = None if limit is None else limit.price.min_amount_out(terms.amount_in)
    slippage_bps = terms.slippage_bps
    if limit is None and stop_slippage_bps is not None:
        slippage_bps = stop_slippage_bps
    return replace(
        terms,
        condition=condition,
        price_of=price_of,
        min_amount_out=least,
        slippage_bps=slippage_bps,
    )


def _add_errors(found: list[InvalidInput], errors: list[FieldError]) -> None:
    errors += [FieldError(each.field, each.code, each.reason) for each in found]
