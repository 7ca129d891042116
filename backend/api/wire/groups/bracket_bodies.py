"""The bracket of an order's body: its schema, and the bracket that it makes."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from backend.api.wire.body_fields import use_written_names, validate_fields
from backend.api.wire.fields import BasisPoints, Price
from backend.api.wire.order_types.conditions import (
    ConfirmationCount,
    PriceOfName,
    ThenName,
    TrailBps,
    add_errors,
)
from backend.api.wire.problems import FieldError
from backend.api.wire.spellings import describe_spellings
from backend.domain.condition_fields import ConditionFields, format_condition
from backend.domain.groups.bracket_fields import BracketReader, LegFields, SlippageDefaults
from backend.domain.groups.brackets import Bracket
from backend.domain.orders import OrderTerms, OrderType

BRACKETED_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})


def _tighten_schema(schema: dict[str, Any]) -> None:
    for field_schema in schema["properties"].values():
        del field_schema["title"], field_schema["default"]
    describe_spellings(schema["properties"])


_CONFIG: Final = ConfigDict(
    extra="forbid", alias_generator=to_camel, json_schema_extra=_tighten_schema
)


class TakeProfitBody(BaseModel):
    """Sells what the entry received once that brings at least ``triggerPrice``."""

    model_config = _CONFIG

    trigger_price: Price | None = None
    price_of: PriceOfName | None = None
    confirmations: ConfirmationCount | None = None
    then: ThenName | None = None


class StopBody(BaseModel):
    """Sells what the entry received once that brings at most ``triggerPrice``.

    With ``trailBps``, once its price has fallen by that.
    """

    model_config = _CONFIG

    trigger_price: Price | None = None
    trail_bps: TrailBps | None = None
    activation_price: Price | None = None
    price_of: PriceOfName | None = None
    confirmations: ConfirmationCount | None = None
    slippage_bps: BasisPoints | None = None


def _refer(schema: str) -> WithJsonSchema:
    """The schema of a JSON object that is read by itself."""
    return WithJsonSchema({"$ref": f"#/components/schemas/{schema}"})


TakeProfitObject = Annotated[dict[str, Any], Field(strict=True), _refer("TakeProfitBody")]
StopObject = Annotated[dict[str, Any], Field(strict=True), _refer("StopBody")]
BracketObject = Annotated[dict[str, Any], Field(strict=True), _refer("BracketBody")]


class BracketBody(BaseModel):
    """What is placed for what an order receives: at most one of both is executed.

    Their prices are those of the token that the order receives, unless ``priceOf`` says otherwise.
    """

    model_config = _CONFIG

    take_profit: TakeProfitObject | None = None
    stop: StopObject | None = None


Body = TypeVar("Body", bound=BaseModel)


class ReadBracket(NamedTuple):
    """A bracket, and a text that is the same for every notation of it."""

    bracket: Bracket
    canonical: str


def read_bracket(
    raw: dict[str, Any] | None,
    kind: OrderType | None,
    entry: OrderTerms | None,
    market_slippage_bps: int | None,
    errors: list[FieldError],
) -> ReadBracket | None:
    """The bracket of an entry; ``None`` if there is none, or if it or the ``entry`` is wrong.

    ``market_slippage_bps`` is the slippage of a stop that names none; without it that of the entry.
    """
    if raw is None or kind is None:
        return None
    if kind not in BRACKETED_TYPES:
        names = ", ".join(sorted(BRACKETED_TYPES))
        reason = f"belongs to orders of type {names}, not to {kind}"
        errors.append(FieldError("bracket", "invalid_field", reason))
        return None
    found: list[FieldError] = []
    body = _validate(BracketBody, raw, "bracket", found)
    take_profit = stop = None
    if body.take_profit is not None:
        take_profit = _validate(TakeProfitBody, body.take_profit, "bracket.takeProfit", found)
    if body.stop is not None:
        stop = _validate(StopBody, body.stop, "bracket.stop", found)
    errors += found
    if found or entry is None:
        return None
    market_bps = entry.slippage_bps if market_slippage_bps is None else market_slippage_bps
    reader = BracketReader(
        entry.token_in, entry.token_out, SlippageDefaults(entry.slippage_bps, market_bps)
    )
    bracket = reader.read(_to_leg(take_profit), _to_leg(stop))
    add_errors(reader.errors, errors)
    if bracket is None:
        return None
    # Without the default of the slippage, so that a repeat stays a repeat when it changes.
    written_bps = None if stop is None else stop.slippage_bps
    pair = entry.token_out, entry.token_in
    legs = [format_condition(leg.condition, leg.price_of, *pair) for leg in bracket.legs]
    return ReadBracket(bracket, f"{legs} {written_bps}")


def _validate(model: type[Body], raw: dict[str, Any], path: str, errors: list[FieldError]) -> Body:
    """The body of a nested object; its errors have the path of their field."""
    found: list[FieldError] = []
    body, written_names = validate_fields(model, raw, found)
    named = use_written_names(found, written_names)
    errors += [error._replace(field=f"{path}.{error.field}") for error in named]
    return body


def _to_leg(body: TakeProfitBody | StopBody | None) -> LegFields | None:
    if body is None:
        return None
    if isinstance(body, TakeProfitBody):
        fields = ConditionFields(
            trigger_price=body.trigger_price,
            price_of=body.price_of,
            confirmations=body.confirmations,
            then=body.then,
        )
        return LegFields(fields)
    fields = ConditionFields(
        trigger_price=body.trigger_price,
        activation_price=body.activation_price,
        trail_bps=body.trail_bps,
        price_of=body.price_of,
        confirmations=body.confirmations,
    )
    return LegFields(fields, body.slippage_bps)
