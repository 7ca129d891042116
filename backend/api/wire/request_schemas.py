"""Request bodies: their schemas, and their conversion to domain types.

The same function reads an order from a POST, a batch or a WebSocket. It reports all invalid fields
together, by the names that the client used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from backend.api.wire.body_fields import (
    REASONS,
    not_an_object,
    shorten_name,
    use_written_names,
    validate_fields,
)
from backend.api.wire.fields import (
    Amount,
    BasisPoints,
    ClientOrderId,
    OrderTypeName,
    TokenName,
)
from backend.api.wire.groups.bracket_bodies import BracketObject, ReadBracket, read_bracket
from backend.api.wire.groups.oco_labels import OcoLabel, check_label
from backend.api.wire.order_conditions import ConditionBody, resolve_condition
from backend.api.wire.problems import ERRORS_MAX, FieldError, invalid_fields
from backend.api.wire.spellings import SPELLINGS, UNKNOWN_FIELD_REASON, describe_spellings
from backend.api.wire.times_in_force import TimesBody, resolve_time_in_force
from backend.domain.amounts import Token, parse_amount, parse_decimal
from backend.domain.condition_fields import format_condition
from backend.domain.errors import InvalidInput
from backend.domain.groups.brackets import Bracket
from backend.domain.orders import OrderTerms, OrderType, TimeInForce
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry

_TYPE_NAMES: Final = ", ".join(OrderType)
_ORDER_TYPES: Final = {kind.value.lower(): kind for kind in OrderType}


def _tighten_schema(schema: dict[str, Any]) -> None:
    """Adjust pydantic's schema: required fields may not be null, others may be null or absent."""
    properties = schema["properties"]
    for field_schema in properties.values():
        del field_schema["title"], field_schema["default"]
    for name in ("tokenIn", "tokenOut"):
        properties[name] = properties[name]["anyOf"][0]
    schema["required"] = ["tokenIn", "tokenOut"]
    describe_spellings(properties)
    # One of them is there, and not null.
    schema["not"] = {"properties": {name: {"type": "null"} for name in _list_spellings("amount")}}


def _list_spellings(field: str) -> list[str]:
    """A field and its other names."""
    return [field, *(name for name, spelling in SPELLINGS.items() if spelling.field == field)]


class SwapBody(BaseModel):
    """What is to be swapped; ``amount`` is of ``tokenIn``. ``SPELLINGS`` are taken as well."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, json_schema_extra=_tighten_schema
    )

    token_in: TokenName | None = None
    token_out: TokenName | None = None
    amount: Amount | None = None
    min_amount_out: Amount | None = None
    slippage_bps: BasisPoints | None = None
    max_price_impact_bps: BasisPoints | None = None


class OrderBody(TimesBody, ConditionBody, SwapBody):
    """An order. ``type`` is ``market`` unless it says otherwise."""

    type: OrderTypeName | None = None
    client_order_id: ClientOrderId | None = None
    bracket: BracketObject | None = None
    oco_group: OcoLabel | None = None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A valid order; ``request_hash`` is the same for every notation of the same request.

    Whether ``expires_at`` has passed is not known here: the database's clock decides. An
    ``oco_label`` is that of two orders of its batch.
    """

    terms: OrderTerms
    time_in_force: TimeInForce
    expires_at: datetime | None
    client_order_id: str | None
    request_hash: bytes
    bracket: Bracket | None = None
    oco_label: str | None = None


def read_order(
    raw: object,
    tokens: TokenRegistry,
    slippage_bps: int,
    max_price_impact_bps: int | None = None,
    stop_slippage_bps: int | None = None,
    *,
    is_of_batch: bool = False,
) -> OrderRequest:
    """Parse an order; ``slippage_bps`` and ``max_price_impact_bps`` are the defaults.

    ``stop_slippage_bps`` is that of the slippage where a trigger has an order sold at the market.
    Only an order of a batch can be in a group. Raises ``Problem`` (422) with all invalid fields.
    """
    errors: list[FieldError] = []
    body, written_names = validate_fields(OrderBody, raw, errors)
    kind = _resolve_type(body, errors)
    terms = _resolve_terms(body, tokens, (slippage_bps, max_price_impact_bps), errors)
    time_in_force, expires_at = resolve_time_in_force(body, kind, errors)
    if kind is not None:
        of_stop = stop_slippage_bps if body.slippage_bps is None else None
        terms = resolve_condition(body, kind, terms, of_stop, errors)
    bracket = None
    if body.bracket is not None and kind is not None:
        bracket = read_bracket(body.bracket, kind, terms, stop_slippage_bps, errors)
    if body.oco_group is not None:
        check_label(kind, time_in_force, is_of_batch=is_of_batch, errors=errors)
    if terms is None or errors:
        raise invalid_fields(use_written_names(errors, written_names))
    request_hash = _hash_request(body, terms, time_in_force, expires_at, bracket)
    return OrderRequest(
        *(terms, time_in_force, expires_at, body.client_order_id, request_hash),
        bracket=None if bracket is None else bracket.bracket,
        oco_label=body.oco_group,
    )


def _hash_request(
    body: OrderBody,
    terms: OrderTerms,
    time_in_force: TimeInForce,
    expires_at: datetime | None,
    bracket: ReadBracket | None,
) -> bytes:
    # Without the defaults: a repeat stays a repeat when they change. What came to be later is added
    # only where it is given, as requests were hashed before.
    cap = "" if body.max_price_impact_bps is None else f"/{body.max_price_impact_bps}"
    if time_in_force is not TimeInForce.GTC:
        cap += f"/{time_in_force}"
    if expires_at is not None:
        cap += f"/{format_time(expires_at)}"
    if terms.condition is not None:
        pair = terms.token_in, terms.token_out
        cap += f"/{format_condition(terms.condition, terms.price_of, *pair)}"
    if bracket is not None:
        cap += f"/bracket {bracket.canonical}"
    canonical = (
        f"{terms.type} {terms.token_in.mint} {terms.token_out.mint} {terms.amount_in}"
        f" {terms.min_amount_out} {body.slippage_bps}{cap} {_mark_name(body.client_order_id)}"
    )
    return sha256(canonical.encode()).digest()


def _mark_name(client_order_id: str | None) -> str:
    """A text that is another one for each name, and for none: "None", as it always was."""
    if client_order_id is not None and client_order_id.lstrip("=") == "None":
        return f"={client_order_id}"
    return str(client_order_id)


def read_quote(
    raw: object,
    tokens: TokenRegistry,
    slippage_bps: int,
    max_price_impact_bps: int | None = None,
) -> OrderTerms:
    """Parse the swap of a quote request. Raises as ``read_order`` does."""
    errors: list[FieldError] = []
    body, written_names = validate_fields(SwapBody, raw, errors)
    terms = _resolve_terms(body, tokens, (slippage_bps, max_price_impact_bps), errors)
    if terms is None or errors:
        raise invalid_fields(use_written_names(errors, written_names))
    return terms


def read_batch(raw: object, orders_max: int) -> list[object]:
    """The unparsed orders of a batch. Raises ``Problem`` (422) if it is not a list of some."""
    if not isinstance(raw, dict):
        raise not_an_object()
    errors = [
        FieldError(shorten_name(name), "unknown_field", UNKNOWN_FIELD_REASON)
        for name in islice((name for name in raw if name != "orders"), ERRORS_MAX)
    ]
    orders = raw.get("orders")
    if orders is None:
        errors.append(FieldError("orders", "missing_field", "is required"))
    elif not isinstance(orders, list):
        errors.append(FieldError("orders", *REASONS["list_type"]))
    elif not 1 <= len(orders) <= orders_max:
        reason = f"must have 1 to {orders_max} orders, not {len(orders)}"
        errors.append(FieldError("orders", "invalid_field", reason))
    if errors or not isinstance(orders, list):
        raise invalid_fields(errors)
    return orders


def _resolve_type(body: OrderBody, errors: list[FieldError]) -> OrderType | None:
    """The type of an order; ``None`` if it is wrong."""
    if body.type is None:
        is_wrong = any(error.field == "type" for error in errors)
        return None if is_wrong else OrderType.MARKET
    kind = _ORDER_TYPES.get(body.type.lower())
    if kind is None:
        errors.append(FieldError("type", "invalid_field", f"must be one of {_TYPE_NAMES}"))
    elif kind is OrderType.SNIPER:
        reason = f"{kind} orders are not supported yet"
        errors.append(FieldError("type", "type_not_supported", reason))
        return None
    return kind


def _resolve_terms(
    body: SwapBody,
    tokens: TokenRegistry,
    defaults: tuple[int, int | None],
    errors: list[FieldError],
) -> OrderTerms | None:
    """The terms of a swap; ``defaults`` are its slippage and its cap on the price impact."""
    failed_fields = {error.field for error in errors}
    token_in = _resolve_token(body.token_in, "tokenIn", tokens, failed_fields, errors)
    token_out = _resolve_token(body.token_out, "tokenOut", tokens, failed_fields, errors)
    if token_in is not None and token_in == token_out:
        reason = f"is {token_out.symbol}, the same token as tokenIn"
        errors.append(FieldError("tokenOut", "same_token", reason))
    amount_in = _resolve_amount_in(body, token_in, failed_fields, errors)
    min_amount_out = None
    if body.min_amount_out is not None:
        min_amount_out = _to_base_units(body.min_amount_out, "minAmountOut", token_out, errors)
    if errors:
        return None
    assert token_in is not None
    assert token_out is not None
    assert amount_in is not None
    slippage, cap = defaults
    return OrderTerms(
        OrderType.MARKET,
        token_in,
        token_out,
        amount_in,
        min_amount_out,
        slippage if body.slippage_bps is None else body.slippage_bps,
        cap if body.max_price_impact_bps is None else body.max_price_impact_bps,
    )


def _resolve_token(
    name: str | None,
    field: str,
    tokens: TokenRegistry,
    failed_fields: set[str],
    errors: list[FieldError],
) -> Token | None:
    if name is None:
        if field not in failed_fields:
            errors.append(FieldError(field, "missing_field", "is required"))
        return None
    try:
        return tokens.find(name, field)
    except InvalidInput as error:
        errors.append(FieldError(error.field, error.code, error.reason))
        return None


def _resolve_amount_in(
    body: SwapBody, token: Token | None, failed_fields: set[str], errors: list[FieldError]
) -> int | None:
    if body.amount is not None:
        return _to_base_units(body.amount, "amount", token, errors)
    if "amount" not in failed_fields:
        errors.append(FieldError("amount", "missing_field", "is required"))
    return None


def _to_base_units(
    value: str | int | Decimal, field: str, token: Token | None, errors: list[FieldError]
) -> int | None:
    try:
        if token is not None:
            return parse_amount(value, token.decimals)
        parse_decimal(value)  # an unknown token: the number of its decimals is not known
    except ValueError as error:
        errors.append(FieldError(field, "invalid_field", str(error)))
    return None
