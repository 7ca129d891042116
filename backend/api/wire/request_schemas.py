"""Request bodies: their schemas, and their conversion to domain types.

The same function reads an order from a POST, a batch or a WebSocket. It reports all invalid fields
together, by the names that the client used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from backend.api.wire.body_fields import (
    REASONS,
    not_an_object,
    replace_reasons,
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
from backend.api.wire.groups.bracket_bodies import BracketObject, read_bracket
from backend.api.wire.groups.oco_labels import OcoLabel, check_label
from backend.api.wire.order_types.amounts import (
    NO_HOLDINGS,
    PLACEHOLDER,
    Holdings,
    OrderAmount,
    find_refusal,
    resolve_share,
    to_base_units,
)
from backend.api.wire.order_types.conditions import (
    NewConditionBody,
    StrictBody,
    check_strict,
    resolve_condition,
)
from backend.api.wire.order_types.fees import PRIORITY_FEE_MAX, FeeBody, resolve_fees
from backend.api.wire.order_types.route_constraints import (
    AllowedVenues,
    DirectFlag,
    ExcludedVenues,
    HopCount,
    LegCount,
    PoolAddresses,
    check_sniper_constraints,
    resolve_constraints,
)
from backend.api.wire.order_types.sniper import GuardBody, resolve_guards
from backend.api.wire.order_types.tokens import find_token, resolve_token
from backend.api.wire.problems import ERRORS_MAX, FieldError, Problem, invalid_fields
from backend.api.wire.request_hash import hash_request
from backend.api.wire.spellings import (
    SPELLINGS,
    UNKNOWN_FIELD_REASON,
    describe_spellings,
    explain_type,
    explain_unknown_field,
    list_spellings,
)
from backend.api.wire.times_in_force import TimesBody, resolve_time_in_force
from backend.domain.amounts import Token
from backend.domain.errors import Rejected, Transient
from backend.domain.groups.brackets import Bracket
from backend.domain.orders import OrderTerms, OrderType, TimeInForce
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.shares import is_share

NO_REFUSALS: Final[Mapping[str, Rejected]] = MappingProxyType({})
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
    schema["not"] = {"properties": {name: {"type": "null"} for name in list_spellings("amount")}}


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
    dexes: AllowedVenues | None = None
    exclude_dexes: ExcludedVenues | None = None
    pools: PoolAddresses | None = None
    max_legs: LegCount | None = None
    max_hops: HopCount | None = None
    only_direct: DirectFlag | None = None


class OrderBody(TimesBody, FeeBody, StrictBody, GuardBody, NewConditionBody, SwapBody):
    """An order. ``type`` is ``market`` unless it says otherwise."""

    amount: OrderAmount | None = None
    type: OrderTypeName | None = None
    client_order_id: ClientOrderId | None = None
    bracket: BracketObject | None = None
    oco_group: OcoLabel | None = None


ORDER_FIELDS: Final = SPELLINGS.keys() | set(map(to_camel, OrderBody.model_fields))
"""The names of an order's fields, with the other names that are taken."""
_OF_ORDERS: Final = f"{UNKNOWN_FIELD_REASON}: it belongs to an order, not to a quote"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A valid order; ``request_hash`` is the same for every notation of the same request.

    Whether ``expires_at`` has passed is not known here: the database's clock decides. An order that
    ``is_strict`` is refused if the market meets it already, which is no part of the hash. An
    ``oco_label`` is that of two orders of its batch. A ``refusal`` says why an order that sells a
    share cannot be accepted now: its amount is not known, or nothing. Earlier it may have been.
    """

    terms: OrderTerms
    time_in_force: TimeInForce
    expires_at: datetime | None
    client_order_id: str | None
    request_hash: bytes
    is_strict: bool = False
    bracket: Bracket | None = None
    oco_label: str | None = None
    refusal: Problem | Transient | None = None


def read_order(
    raw: object,
    tokens: TokenRegistry,
    slippage_bps: int,
    max_price_impact_bps: int | None = None,
    stop_slippage_bps: int | None = None,
    refused_mints: Mapping[str, Rejected] = NO_REFUSALS,
    *,
    holdings: Holdings = NO_HOLDINGS,
    is_of_batch: bool = False,
    priority_fee_max: int = PRIORITY_FEE_MAX,
) -> OrderRequest:
    """Parse an order; ``slippage_bps`` and ``max_price_impact_bps`` are the defaults.

    ``stop_slippage_bps`` is that of the slippage where a trigger has an order sold at the market,
    ``refused_mints`` say why these cannot be traded; shares are estimated by ``holdings``. Only an
    order of a batch can be in a group. Raises ``Problem`` (422) with all invalid fields.
    """
    errors: list[FieldError] = []
    body, written_names = validate_fields(OrderBody, raw, errors)
    kind = _resolve_type(body, errors)
    find = partial(find_token, tokens, refused_mints)
    terms = _resolve_terms(body, find, (slippage_bps, max_price_impact_bps), errors)
    terms = resolve_share(body, kind, terms, holdings, errors)
    time_in_force, expires_at = resolve_time_in_force(body, kind, errors)
    if kind is not None:
        of_stop = stop_slippage_bps if body.slippage_bps is None else None
        terms = resolve_condition(body, kind, terms, of_stop, errors)
        terms = resolve_guards(body, kind, terms, errors)
    waits = not time_in_force.has_one_attempt
    if kind is OrderType.SNIPER:
        check_sniper_constraints(body, errors)
    check_strict(body, terms, errors, waits=waits)
    bracket = read_bracket(body.bracket, kind, terms, stop_slippage_bps, errors)
    check_label(body.oco_group, kind, time_in_force, is_of_batch=is_of_batch, errors=errors)
    terms = resolve_fees(body, terms, priority_fee_max, errors)
    if terms is None or errors:
        raise invalid_fields(use_written_names(errors, written_names))
    request_hash = hash_request(body, terms, time_in_force, expires_at, bracket)
    return OrderRequest(
        *(terms, time_in_force, expires_at, body.client_order_id, request_hash),
        bracket=None if bracket is None else bracket.bracket,
        oco_label=body.oco_group,
        is_strict=bool(body.strict),
        refusal=find_refusal(terms, holdings, written_names),
    )


def read_quote(
    raw: object,
    tokens: TokenRegistry,
    slippage_bps: int,
    max_price_impact_bps: int | None = None,
    refused_mints: Mapping[str, Rejected] = NO_REFUSALS,
) -> OrderTerms:
    """Parse the swap of a quote request, by the arguments of ``read_order``; raises as it does."""
    errors: list[FieldError] = []
    body, written_names = validate_fields(SwapBody, raw, errors)
    errors = replace_reasons(errors, ORDER_FIELDS, _OF_ORDERS)
    find = partial(find_token, tokens, refused_mints)
    terms = _resolve_terms(body, find, (slippage_bps, max_price_impact_bps), errors)
    if terms is None or errors:
        raise invalid_fields(use_written_names(errors, written_names))
    return terms


def read_batch(raw: object, orders_max: int) -> list[object]:
    """The unparsed orders of a batch. Raises ``Problem`` (422) if it is not a list of some."""
    if not isinstance(raw, dict):
        raise not_an_object('{"orders": […]}')
    errors = [
        FieldError(shorten_name(name), "unknown_field", explain_unknown_field(name, ("orders",)))
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
        errors.append(FieldError("type", "invalid_field", explain_type(body.type)))
    return kind


def _resolve_terms(
    body: SwapBody,
    find: Callable[[str, str], Token],
    defaults: tuple[int, int | None],
    errors: list[FieldError],
) -> OrderTerms | None:
    """The terms of a swap; ``defaults`` are its slippage and its cap on the price impact."""
    failed_fields = {error.field for error in errors}
    token_in = resolve_token(body.token_in, "tokenIn", find, failed_fields, errors)
    token_out = resolve_token(body.token_out, "tokenOut", find, failed_fields, errors)
    if token_in is not None and token_in == token_out:
        reason = f"is {token_out.symbol}, the same token as tokenIn"
        errors.append(FieldError("tokenOut", "same_token", reason))
    amount_in = _resolve_amount_in(body, token_in, failed_fields, errors)
    min_amount_out = None
    if body.min_amount_out is not None:
        min_amount_out = to_base_units(body.min_amount_out, "minAmountOut", token_out, errors)
    constraints = resolve_constraints(body, errors)
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
        constraints=constraints,
    )


def _resolve_amount_in(
    body: SwapBody, token: Token | None, failed_fields: set[str], errors: list[FieldError]
) -> int | None:
    if isinstance(body, OrderBody) and is_share(body.amount):
        return PLACEHOLDER
    if body.amount is not None:
        return to_base_units(body.amount, "amount", token, errors)
    if "amount" not in failed_fields:
        errors.append(FieldError("amount", "missing_field", "is required"))
    return None
