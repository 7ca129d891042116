"""The fields of a swap that restrict its route: their schema, and the constraints they make."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from backend.api.wire.fields import Flag, integral_to_int
from backend.api.wire.order_types.conditions import add_errors
from backend.api.wire.problems import FieldError
from backend.domain.quotes import Dex
from backend.domain.route_constraints import (
    HOPS_MAX,
    LEGS_MAX,
    NAMES_BY_PROGRAM,
    POOLS_MAX,
    VENUE_NAMES,
    RouteConstraints,
    find_constraint_errors,
)
from backend.domain.spelling import add_suggestion
from backend.domain.tokens import is_public_key

ADDRESS_PATTERN: Final = "^[1-9A-HJ-NP-Za-km-z]{32,44}$"
_SHOWN_LENGTH: Final = 48
"""So much of a wrong value is shown: an address as a whole."""
_NAMES: Final = ", ".join(VENUE_NAMES)
_FIELDS: Final = frozenset({"dexes", "excludeDexes", "pools", "onlyDirect"})


def _require_list(value: object, noun: str, length_max: int) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("must be an array")  # noqa: TRY004 - the client's value, not ours
    if not value:
        raise ValueError(f"must have at least 1 {noun}: leave it out to leave that open")
    if len(value) > length_max:
        raise ValueError(f"must have at most {length_max} {noun}s, not {len(value)}")
    return value


def require_venue_names(value: object) -> tuple[str, ...]:
    """Return the names of exchanges and programs of a list, each once.

    Raises ``ValueError`` (reason).
    """
    names = _require_list(value, "name", len(VENUE_NAMES))
    return tuple(dict.fromkeys(map(_require_venue_name, names)))


def _require_venue_name(value: object) -> str:
    name = value.lower() if isinstance(value, str) else None
    if name in VENUE_NAMES:
        return name
    reason = f"{_show(value)} is none of {_NAMES}"
    if name is None:
        raise ValueError(reason)
    if name in NAMES_BY_PROGRAM:
        raise ValueError(f"{reason}: did you mean {NAMES_BY_PROGRAM[name]}?")
    raise ValueError(add_suggestion(reason, name, VENUE_NAMES))


def require_pools(value: object) -> tuple[str, ...]:
    """Return the addresses of pools of a list, each once. Raises ``ValueError`` (reason)."""
    pools = _require_list(value, "pool", POOLS_MAX)
    return tuple(dict.fromkeys(map(_require_pool, pools)))


def _require_pool(value: object) -> str:
    if isinstance(value, str) and is_public_key(value):
        return value
    raise ValueError(f"{_show(value)} is not the address of a pool (32 bytes in base58)")


def _show(value: object) -> str:
    """The beginning of a wrong value, escaped."""
    return ascii(value[:_SHOWN_LENGTH] if isinstance(value, str) else value)[:_SHOWN_LENGTH]


def _describe_names(text: str) -> WithJsonSchema:
    items = {"$ref": "#/components/schemas/VenueName"}
    bounds = {"minItems": 1, "maxItems": len(VENUE_NAMES)}
    return WithJsonSchema({"type": "array", "items": items, **bounds, "description": text})


_ALLOWED: Final = (
    "The route uses these only: exchanges, and pool programs such as `raydium/clmm`, in any case."
    " What waits for a price waits for that of these. Of a `sniper`, the pool is on one of these"
    " exchanges."
)
_EXCLUDED: Final = "The route uses none of these; as `dexes`. Not of a `sniper`."
_POOLS_SCHEMA: Final[dict[str, object]] = {
    "type": "array",
    "items": {"type": "string", "pattern": ADDRESS_PATTERN},
    "minItems": 1,
    "maxItems": POOLS_MAX,
    "description": "The route uses the pools with these addresses only, and what waits for a price"
    " waits for theirs. Not of a `sniper`.",
}


AllowedVenues = Annotated[
    tuple[str, ...], PlainValidator(require_venue_names), _describe_names(_ALLOWED)
]
ExcludedVenues = Annotated[
    tuple[str, ...], PlainValidator(require_venue_names), _describe_names(_EXCLUDED)
]
PoolAddresses = Annotated[
    tuple[str, ...], PlainValidator(require_pools), WithJsonSchema(_POOLS_SCHEMA)
]
LegCount = Annotated[
    int,
    Field(strict=True, ge=1, le=LEGS_MAX, description="The route swaps in so many pools at most."),
    BeforeValidator(integral_to_int),
]
HopCount = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=HOPS_MAX,
        description="So many swaps of the route follow each other at most.",
    ),
    BeforeValidator(integral_to_int),
]
DirectFlag = Annotated[Flag, Field(description="`true` is a `maxHops` of 1.")]


class ConstraintFields(Protocol):
    """The fields of a body that are read here."""

    dexes: tuple[str, ...] | None
    exclude_dexes: tuple[str, ...] | None
    pools: tuple[str, ...] | None
    max_legs: int | None
    max_hops: int | None
    only_direct: bool | None


def resolve_constraints(
    body: ConstraintFields, errors: list[FieldError]
) -> RouteConstraints | None:
    """The constraints of a swap's route; ``None`` if it asks for nothing."""
    max_hops = body.max_hops
    if body.only_direct:
        if max_hops is not None and max_hops > 1:
            reason = f"is true, a maxHops of 1, and maxHops is {max_hops}: give one of them"
            errors.append(FieldError("onlyDirect", "invalid_field", reason))
        max_hops = 1
    lists = body.dexes or (), body.exclude_dexes or (), body.pools or ()
    if not any((*lists, body.max_legs, max_hops)):
        return None
    constraints = RouteConstraints(*lists, body.max_legs, max_hops)
    if _FIELDS.isdisjoint(error.field for error in errors):  # else what is left is not known
        add_errors(find_constraint_errors(constraints), errors)
    return constraints


def check_sniper_constraints(body: ConstraintFields, errors: list[FieldError]) -> None:
    """Refuse to name pools or programs of a sniper: it takes exchanges, as a guard."""
    named = {"dexes": body.dexes, "excludeDexes": body.exclude_dexes, "pools": body.pools}
    if set(Dex).issuperset(body.dexes or ()):
        del named["dexes"]
    reason = "a sniper order takes whole exchanges as dexes, such as raydium, and nothing else"
    errors += [FieldError(name, "invalid_field", reason) for name, each in named.items() if each]
