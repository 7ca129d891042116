"""What a client may send: the shapes of the bodies, and their way into the domain.

One order is read by one function, whether it came by POST, in a batch or over a WebSocket. It
finds everything that is wrong and says so by the names that the client used.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from backend.api.wire.fields import (
    NAME_MAX,
    Amount,
    BasisPoints,
    KindName,
    Moment,
    Name,
    TokenName,
    is_printable,
)
from backend.api.wire.problems import BadField, Problem, invalid
from backend.domain.amounts import Token, parse_amount, parse_decimal
from backend.domain.errors import InvalidInput
from backend.domain.orders import OrderType, Terms
from backend.domain.tokens import Tokens

_REASONS: Final = {
    "string_type": ("invalid_field", "must be a string"),
    "int_type": ("invalid_field", "must be a whole number"),
    "int_parsing_size": ("invalid_field", "is out of range"),
    "list_type": ("invalid_field", "must be an array"),
}
_UNKNOWN: Final = "is not a known field"
_TYPES: Final = ", ".join(OrderType)
_KINDS: Final = frozenset(OrderType)


def _as_it_is_checked(schema: dict[str, Any]) -> None:
    """What is required may not be null; anywhere else ``null`` is as good as nothing."""
    properties = schema["properties"]
    for each in properties.values():
        del each["title"], each["default"]
    for name in ("tokenIn", "tokenOut"):
        properties[name] = properties[name]["anyOf"][0]
    schema["required"] = ["tokenIn", "tokenOut"]
    schema["oneOf"] = [
        {"required": [name], "properties": {name: {"type": ["string", "number"]}}}
        for name in ("amount", "amountIn")
    ]


class SwapBody(BaseModel):
    """What is to be swapped. Exactly one of ``amount`` and ``amountIn`` is required."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, json_schema_extra=_as_it_is_checked
    )

    token_in: TokenName | None = None
    token_out: TokenName | None = None
    amount: Amount | None = None
    amount_in: Amount | None = None
    min_amount_out: Amount | None = None
    slippage_bps: BasisPoints | None = None


class OrderBody(SwapBody):
    """An order. ``type`` is ``market`` unless it says otherwise."""

    type: KindName | None = None
    limit_price: Amount | None = None
    expires_at: Moment | None = None
    client_order_id: Name | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid order; ``request_hash`` is the same for every way of writing the same request."""

    terms: Terms
    client_order_id: str | None
    request_hash: bytes


Body = TypeVar("Body", bound=SwapBody)

_NAMES: Final = {
    model: frozenset(to_camel(name) for name in model.model_fields)
    for model in (SwapBody, OrderBody)
}


def read_order(raw: object, tokens: Tokens, slippage_bps: int) -> Wanted:
    """The order that a client wrote; ``slippage_bps`` stands where it names none.

    Raises ``Problem`` (422) with everything that is wrong with it.
    """
    errors: list[BadField] = []
    body = _shape(OrderBody, raw, errors)
    _check_type(body, errors)
    terms = _terms(body, tokens, slippage_bps, errors)
    if terms is None or errors:
        raise invalid(errors)
    # The default is left out: a repeat stays one when the default changes.
    canonical = (
        f"{terms.type} {terms.token_in.mint} {terms.token_out.mint} {terms.amount_in}"
        f" {terms.min_amount_out} {body.slippage_bps} {body.client_order_id}"
    )
    return Wanted(terms, body.client_order_id, sha256(canonical.encode()).digest())


def read_quote(raw: object, tokens: Tokens, slippage_bps: int) -> Terms:
    """The swap that a client wants quoted. Raises as ``read_order`` does."""
    errors: list[BadField] = []
    terms = _terms(_shape(SwapBody, raw, errors), tokens, slippage_bps, errors)
    if terms is None or errors:
        raise invalid(errors)
    return terms


def read_batch(raw: object, orders_max: int) -> list[object]:
    """The orders of a batch, unread. Raises ``Problem`` (422) if it is not a list of some."""
    if not isinstance(raw, dict):
        raise _not_an_object()
    errors = [BadField(_short(name), "unknown_field", _UNKNOWN) for name in raw.keys() - {"orders"}]
    orders = raw.get("orders")
    if orders is None:
        errors.append(BadField("orders", "missing_field", "is required"))
    elif not isinstance(orders, list):
        errors.append(BadField("orders", *_REASONS["list_type"]))
    elif not 1 <= len(orders) <= orders_max:
        reason = f"must have 1 to {orders_max} orders, not {len(orders)}"
        errors.append(BadField("orders", "invalid_field", reason))
    if errors or not isinstance(orders, list):
        raise invalid(errors)
    return orders


def _not_an_object() -> Problem:
    return invalid([BadField("", "not_an_object", "must be a JSON object")])


def _shape(model: type[Body], raw: object, errors: list[BadField]) -> Body:
    """The body with the fields that have the right shape; the others go to ``errors``."""
    if not isinstance(raw, dict):
        raise _not_an_object()
    known = {name: value for name, value in raw.items() if name in _NAMES[model]}
    errors += [BadField(_short(n), "unknown_field", _UNKNOWN) for n in raw if n not in known]
    try:
        return model.model_validate(known)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            field = str(found["loc"][0])
            known.pop(field, None)
            errors.append(_bad_field(field, found))
        return model.model_validate(known)


def _bad_field(field: str, found: ErrorDetails) -> BadField:
    code, reason = _REASONS.get(found["type"], ("invalid_field", ""))
    if found["type"] == "value_error":
        reason = str(found["ctx"]["error"])
    if not reason:
        reason = found["msg"].replace("Input should", "must")
    return BadField(field, code, reason)


def _short(name: str) -> str:
    """A field's name as it can be shown, and stored with the answer to a batch."""
    return name if is_printable(name, NAME_MAX) else ascii(name)[1:-1][:NAME_MAX]


def _check_type(body: OrderBody, errors: list[BadField]) -> None:
    kind = OrderType.MARKET.value if body.type is None else body.type.lower()
    if kind not in _KINDS:
        errors.append(BadField("type", "invalid_field", f"must be one of {_TYPES}"))
    elif kind != OrderType.MARKET:
        reason = f"{kind} orders are not supported yet"
        errors.append(BadField("type", "type_not_supported", reason))
    for field, value in (("limitPrice", body.limit_price), ("expiresAt", body.expires_at)):
        if value is not None:
            reason = "belongs to limit and sniper orders, which are not supported yet"
            errors.append(BadField(field, "type_not_supported", reason))


def _terms(
    body: SwapBody, tokens: Tokens, slippage_bps: int, errors: list[BadField]
) -> Terms | None:
    known = {error.field for error in errors}
    token_in = _token(body.token_in, "tokenIn", tokens, known, errors)
    token_out = _token(body.token_out, "tokenOut", tokens, known, errors)
    if token_in is not None and token_in == token_out:
        reason = f"is {token_out.symbol}, the same token as tokenIn"
        errors.append(BadField("tokenOut", "same_token", reason))
    amount_in = _amount_in(body, token_in, known, errors)
    min_amount_out = None
    if body.min_amount_out is not None:
        min_amount_out = _units(body.min_amount_out, "minAmountOut", token_out, errors)
    if errors:
        return None
    assert token_in is not None
    assert token_out is not None
    assert amount_in is not None
    slippage = slippage_bps if body.slippage_bps is None else body.slippage_bps
    return Terms(OrderType.MARKET, token_in, token_out, amount_in, min_amount_out, slippage)


def _token(
    name: str | None, field: str, tokens: Tokens, known: set[str], errors: list[BadField]
) -> Token | None:
    if name is None:
        if field not in known:
            errors.append(BadField(field, "missing_field", "is required"))
        return None
    try:
        return tokens.find(name, field)
    except InvalidInput as error:
        errors.append(BadField(error.field, error.code, error.reason))
        return None


def _amount_in(
    body: SwapBody, token: Token | None, known: set[str], errors: list[BadField]
) -> int | None:
    given = [
        (field, value)
        for field, value in (("amount", body.amount), ("amountIn", body.amount_in))
        if value is not None
    ]
    if len(given) == 2:
        reason = "is another name of amount: give one of them"
        errors.append(BadField("amountIn", "invalid_field", reason))
    if given:
        return _units(given[0][1], given[0][0], token, errors)
    if not known & {"amount", "amountIn"}:
        errors.append(BadField("amount", "missing_field", "is required"))
    return None


def _units(
    value: str | int | Decimal, field: str, token: Token | None, errors: list[BadField]
) -> int | None:
    try:
        if token is not None:
            return parse_amount(value, token.decimals)
        parse_decimal(value)  # how many decimals it may have nobody knows
    except ValueError as error:
        errors.append(BadField(field, "invalid_field", str(error)))
    return None
