"""The body of the request that sets the limits of an owner, or those of every owner."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

from backend.api.wire.body_fields import use_written_names, validate_fields
from backend.api.wire.problems import FieldError, invalid_fields
from backend.domain.amounts import BPS, Token
from backend.domain.errors import InvalidInput
from backend.domain.limits.order_limits import (
    AMOUNTS,
    MINTS_MAX,
    OPEN_ORDERS_MAX,
    ORDERS_PER_SECOND_MAX,
    REFERENCE,
    LimitName,
    LimitValue,
    parse_limit,
)
from backend.domain.tokens import TokenRegistry
from backend.domain.trading.states import TradingState


def _describe(schema: dict[str, object], description: str) -> WithJsonSchema:
    """The schema of a limit; null is none, whatever holds for every owner."""
    return WithJsonSchema({"anyOf": [schema, {"type": "null"}], "description": description})


def _count(most: int) -> dict[str, object]:
    return {"type": "integer", "minimum": 1, "maximum": most}


_BPS: Final[dict[str, object]] = {"type": "integer", "minimum": 0, "maximum": BPS}
_AMOUNT: Final[dict[str, object]] = {"type": "string"}
_MINTS: Final[dict[str, object]] = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
    "maxItems": MINTS_MAX,
}
_STATE: Final[dict[str, object]] = {
    "type": "string",
    "enum": [TradingState.REDUCING.value, TradingState.HALTED.value],
}


class LimitsBody(BaseModel):
    """Limits; each that is left out is none of the owner's own, so that those of all hold."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    max_orders_per_second: Annotated[
        Any, _describe(_count(ORDERS_PER_SECOND_MAX), "Orders placed in any second.")
    ] = None
    max_open_orders: Annotated[
        Any, _describe(_count(OPEN_ORDERS_MAX), "Orders that are open at once.")
    ] = None
    max_order_value: Annotated[
        Any, _describe(_AMOUNT, "What one order may be worth, in the reference token.")
    ] = None
    max_daily_volume: Annotated[
        Any, _describe(_AMOUNT, "What all orders of a day (UTC) may be worth together.")
    ] = None
    max_price_impact_bps: Annotated[Any, _describe(_BPS, "The price impact of a route.")] = None
    max_reference_distance_bps: Annotated[
        Any, _describe(_BPS, "How much less than the median of the pair's pools a route may pay.")
    ] = None
    max_slippage_bps: Annotated[Any, _describe(_BPS, "The slippage tolerance of an order.")] = None
    allowed_mints: Annotated[
        Any, _describe(_MINTS, "Symbols and mints: no order may name another token.")
    ] = None
    denied_mints: Annotated[Any, _describe(_MINTS, "Symbols and mints: no order may name one.")] = (
        None
    )
    max_daily_loss: Annotated[
        Any, _describe(_AMOUNT, "What the fills of a day may realize below 0.")
    ] = None
    on_daily_loss: Annotated[
        Any, _describe(_STATE, "The trading state that follows such a loss; `HALTED` if left out.")
    ] = None


def read_limits(raw: object, tokens: TokenRegistry, reference: Token) -> dict[str, LimitValue]:
    """The limits of a body, as they are stored. Raises ``Problem`` (422) with all wrong fields."""
    errors: list[FieldError] = []
    body, written_names = validate_fields(LimitsBody, raw, errors)
    limits: dict[str, LimitValue] = {}
    for field in LimitsBody.model_fields:
        if field not in body.model_fields_set:
            continue
        name, value = LimitName(to_camel(field)), getattr(body, field)
        try:
            limits[name.value] = (
                None if value is None else parse_limit(name, value, tokens, reference)
            )
        except InvalidInput as error:
            errors.append(FieldError(name, error.code, error.reason))
    if not limits and not errors:
        reason = "nothing is set: give a limit, or delete them to have none"
        errors.append(FieldError("", "missing_field", reason))
    if errors:
        raise invalid_fields(use_written_names(errors, written_names))
    if not AMOUNTS.isdisjoint(limits):
        limits[REFERENCE] = reference.symbol
    return limits
