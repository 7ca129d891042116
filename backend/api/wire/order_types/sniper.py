"""The fields of a sniper order: the guards that a new pool has to pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field
from pydantic.alias_generators import to_camel

from backend.api.wire.fields import Amount, BasisPoints, Flag, integral_to_int
from backend.api.wire.order_types.conditions import add_errors
from backend.api.wire.problems import FieldError
from backend.domain.conditions import Launch
from backend.domain.errors import InvalidInput
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.route_constraints import split_exchanges
from backend.domain.waiting.guards import LOOKS_MAX, POOL_AGE_MAX_S, parse_guards


def describe_guard(text: str) -> str:
    """The description of a guard's field."""
    return f"Of a `sniper`: {text}"


class GuardBody(BaseModel):
    """What a pool must be like before a sniper order buys from it; each guard is optional."""

    min_liquidity: (
        Annotated[Amount, Field(description=describe_guard("so much of `tokenIn` is in the pool."))]
        | None
    ) = None
    mint_authority_revoked: (
        Annotated[Flag, Field(description=describe_guard("nobody can mint more of `tokenOut`."))]
        | None
    ) = None
    freeze_authority_none: (
        Annotated[Flag, Field(description=describe_guard("nobody can freeze `tokenOut`."))] | None
    ) = None
    max_transfer_fee_bps: (
        Annotated[
            BasisPoints, Field(description=describe_guard("what Token-2022 withholds, at most."))
        ]
        | None
    ) = None
    max_fee_bps: (
        Annotated[
            BasisPoints,
            Field(description=describe_guard("the pool's fee for the whole amount, at most.")),
        ]
        | None
    ) = None
    lp_locked_min_bps: (
        Annotated[
            BasisPoints,
            Field(description=describe_guard("so much of the liquidity is locked or burned.")),
        ]
        | None
    ) = None
    max_pool_age_s: (
        Annotated[
            int,
            Field(
                strict=True,
                ge=1,
                le=POOL_AGE_MAX_S,
                description=describe_guard("the pool opened at most so many seconds ago."),
            ),
            BeforeValidator(integral_to_int),
        ]
        | None
    ) = None
    looks: (
        Annotated[
            int,
            Field(
                strict=True,
                ge=1,
                le=LOOKS_MAX,
                description=describe_guard("reads of so many slots in a row agree; 1 by default."),
            ),
            BeforeValidator(integral_to_int),
        ]
        | None
    ) = None


_ATTRIBUTES: Final = frozenset(GuardBody.model_fields)


def _list_guards(body: GuardBody) -> Iterator[tuple[str, object]]:
    """The guards that are written, by their names on the wire."""
    for attribute in GuardBody.model_fields:
        value = getattr(body, attribute)
        if value is not None:
            yield to_camel(attribute), value


def resolve_guards(
    body: GuardBody, kind: OrderType, terms: OrderTerms | None, errors: list[FieldError]
) -> OrderTerms | None:
    """The terms of a swap as those of an order of this type, with its guards if it is a sniper.

    ``None`` without ``terms``, and where a guard belongs to no order of this type. The exchanges
    that the route of a sniper may use are one of its guards.
    """
    if kind is not OrderType.SNIPER:
        if _ATTRIBUTES.isdisjoint(body.model_fields_set):
            return terms
        reason = f"belongs to orders of type sniper, not to {kind}"
        foreign = [FieldError(name, "invalid_field", reason) for name, _ in _list_guards(body)]
        errors += foreign
        return None if foreign else terms
    if terms is None:
        return None
    exchanges, constraints = split_exchanges(terms.constraints)
    guards: dict[str, object] = {"dexes": exchanges} if exchanges else {}
    for name, value in _list_guards(body):
        try:
            parse_guards({name: value}, terms.token_in)
        except InvalidInput as error:
            add_errors([error], errors)
        else:
            guards[name] = value
    condition = Launch(parse_guards(guards, terms.token_in))
    return replace(terms, type=kind, condition=condition, constraints=constraints)
