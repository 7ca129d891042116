"""The fields of an order that say what it waits for: their schema, and the condition they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field

from backend.api.wire.fields import Flag, Price, integral_to_int
from backend.api.wire.order_types.slices import SlicesBody
from backend.api.wire.problems import FieldError
from backend.domain.condition_fields import (
    ConditionFields,
    ConditionReader,
    find_foreign_fields,
)
from backend.domain.conditions import (
    CONFIRMATIONS_DEFAULT,
    CONFIRMATIONS_MAX,
    TRAIL_MAX_BPS,
    TRAIL_MIN_BPS,
    Condition,
    PriceCondition,
    Then,
    get_release,
)
from backend.domain.errors import InvalidInput
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceOf
from backend.domain.waiting.amendments import find_cap_errors
from backend.domain.waiting.slices import SliceSchedule

PRICE_OF_SCHEMA: Final[dict[str, object]] = {
    "enum": [each.value for each in PriceOf],
    "description": "In any case. Whose price the prices of the order are: what one token in brings,"
    " the default, or what one token out costs.",
}
THEN_SCHEMA: Final[dict[str, object]] = {
    "enum": [each.value for each in Then],
    "description": "In any case. What a `takeProfit` becomes at its trigger: a limit at that price,"
    " the default, or a market order.",
}
_TRAIL: Final = "How far below the highest price since its acceptance, or since `activationPrice`"
_CONFIRMATIONS: Final = (
    f"How many reads of the price in a row have to meet the trigger; {CONFIRMATIONS_DEFAULT} by"
    " default."
)

_STRICT: Final = (
    "Refuse the order if its price is met already, with 422 `would_be_met`; else it is accepted,"
    " and `isMetNow` of the answer says so, where the market is known without a wait."
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

    def to_fields(self, min_amount_out: int | None) -> ConditionFields:
        """The fields as the domain reads them; ``min_amount_out`` is in base units."""
        return ConditionFields(
            limit_price=self.limit_price,
            trigger_price=self.trigger_price,
            activation_price=self.activation_price,
            price_of=self.price_of,
            trail_bps=self.trail_bps,
            confirmations=self.confirmations,
            then=self.then,
            min_amount_out=min_amount_out,
        )


class NewConditionBody(ConditionBody, SlicesBody):
    """What a new order waits for, and its slices, which cannot be changed later."""


class StrictBody(BaseModel):
    """Whether an order is refused that would be met at once."""

    strict: Annotated[Flag, Field(description=_STRICT)] | None = None


_FIELD_NAMES: Final = frozenset(NewConditionBody.model_fields)


def resolve_condition(
    body: NewConditionBody,
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
    fields = replace(
        body.to_fields(None if terms is None else terms.min_amount_out),
        slices=body.slices,
        interval_s=body.interval_s,
        jitter_bps=body.jitter_bps,
    )
    if terms is None:
        add_errors(find_foreign_fields(kind, fields), errors)
        return None
    reader = ConditionReader(terms.token_in, terms.token_out, terms.amount_in)
    condition = reader.read(kind, fields)
    add_errors(reader.errors, errors)
    if reader.errors:
        return None
    if condition is None:
        return terms
    priced = replace(terms, type=kind, price_of=reader.price_of)
    waiting = _with_condition(priced, condition, stop_slippage_bps)
    refused = find_cap_errors(waiting)
    add_errors(refused, errors)
    return None if refused else waiting


def _with_condition(
    terms: OrderTerms, condition: Condition, stop_slippage_bps: int | None
) -> OrderTerms:
    if isinstance(condition, SliceSchedule):  # what is minimum and slippage is so of its slices
        return replace(terms, condition=condition)
    limit = get_release(condition).limit
    least = None if limit is None else limit.price.min_amount_out(terms.amount_in)
    slippage_bps = terms.slippage_bps
    if limit is None and stop_slippage_bps is not None:
        slippage_bps = stop_slippage_bps
    return replace(
        terms,
        condition=condition,
        min_amount_out=least,
        slippage_bps=slippage_bps,
    )


def check_strict(
    body: StrictBody, terms: OrderTerms | None, errors: list[FieldError], *, waits: bool
) -> None:
    """Refuse ``strict`` where nothing waits for a price."""
    if (
        terms is not None
        and body.strict
        and not (waits and isinstance(terms.condition, PriceCondition))
    ):
        reason = "belongs to orders that wait for a price: leave it out"
        errors.append(FieldError("strict", "invalid_field", reason))


def add_errors(found: Iterable[InvalidInput], errors: list[FieldError]) -> None:
    """Add errors of the domain to those of a body."""
    errors += [FieldError(each.field, each.code, each.reason) for each in found]
