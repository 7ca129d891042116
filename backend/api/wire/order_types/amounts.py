"""The amount of an order: a number, or a share of what the wallet holds when the order triggers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Final, NamedTuple, Protocol

from pydantic import PlainValidator, WithJsonSchema

from backend.api.wire.body_fields import use_written_names
from backend.api.wire.fields import AMOUNT_SCHEMA, POSITIVE_PATTERN, require_number
from backend.api.wire.order_types.conditions import add_errors
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.api.wire.spellings import list_spellings
from backend.domain.amounts import Token, parse_amount, parse_decimal
from backend.domain.errors import Transient
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.waiting.shares import (
    SHARE_PATTERN,
    compute_share,
    find_share_errors,
    is_share,
    parse_share,
)

PLACEHOLDER: Final = 1
"""Stands for the amount of a share of nothing, until the order is refused or found to be stored."""
_SHARE_SCHEMA: Final[dict[str, object]] = {
    **AMOUNT_SCHEMA,
    "pattern": f"{POSITIVE_PATTERN}|{SHARE_PATTERN}",
    "description": "A decimal amount in token units, exact in either form. Of `stop`, `takeProfit`,"
    " `stopLimit` and `trailingStop` orders also `all`, or a percentage such as `50%`, with at most"
    " two decimals: of what the wallet holds free when the order triggers, which orders in"
    " execution are not about to sell. Until then, it is judged and shown by an estimate.",
    "examples": ["1.5", "all", "50%"],
}
OrderAmount = Annotated[
    str | int | Decimal, PlainValidator(require_number), WithJsonSchema(_SHARE_SCHEMA)
]


_AMOUNT_NAMES: Final = tuple(list_spellings("amount"))


class SwapFields(Protocol):
    """The fields of a body that are read here."""

    amount: str | int | Decimal | None
    min_amount_out: str | int | Decimal | None


def _measure_nothing(token_in: Token, token_out: Token) -> int:
    return 0


class Holdings(NamedTuple):
    """What the wallet holds: how much of a token can be sold for another, in base units.

    Where that could not be read, ``error`` says so.
    """

    measure: Callable[[Token, Token], int] = _measure_nothing
    error: Transient | None = None


NO_HOLDINGS: Final = Holdings()
"""Of orders without a share."""


def names_share(raw: object) -> bool:
    """Whether an unparsed order or amendment names a share, right or wrong."""
    return isinstance(raw, dict) and any(is_share(raw.get(name)) for name in _AMOUNT_NAMES)


def read_share(amount: object, errors: list[FieldError]) -> int | None:
    """The share that a client wrote, in basis points; ``None`` of an amount, and with an error."""
    if not isinstance(amount, str) or not is_share(amount):
        return None
    try:
        return parse_share(amount)
    except ValueError as error:
        errors.append(FieldError("amount", "invalid_field", str(error)))
        return None


def resolve_share(
    body: SwapFields,
    kind: OrderType | None,
    terms: OrderTerms | None,
    holdings: Holdings,
    errors: list[FieldError],
) -> OrderTerms | None:
    """The terms of an order with the amount of its share, if it sells one: an estimate.

    Without ``terms``, which had errors, it is only checked whether the type may sell a share.
    """
    share = read_share(body.amount, errors)
    if not is_share(body.amount) or kind is None:
        return terms
    has_minimum = body.min_amount_out is not None
    found = find_share_errors(kind, has_minimum=has_minimum)
    add_errors(found, errors)
    if terms is None or share is None or found:
        return None
    amount = estimate_share(terms, share, holdings)
    return replace(terms, type=kind, amount_in=amount, amount_in_bps=share)


def estimate_share(terms: OrderTerms, share: int, holdings: Holdings) -> int:
    """The share of what the wallet holds now; ``PLACEHOLDER`` if that is nothing, or not known."""
    return compute_share(holdings.measure(terms.token_in, terms.token_out), share) or PLACEHOLDER


def find_refusal(
    terms: OrderTerms, holdings: Holdings, written_names: dict[str, str]
) -> Problem | Transient | None:
    """Why an order cannot sell its share: that is nothing, or it is not known what it is."""
    share = terms.amount_in_bps
    if share is None or compute_share(holdings.measure(terms.token_in, terms.token_out), share):
        return None
    if holdings.error is not None:
        return holdings.error
    symbol = terms.token_in.symbol
    reason = f"is a share of what the wallet holds, and it holds no {symbol} that could be sold"
    error = FieldError("amount", "nothing_held", reason)
    return invalid_fields(use_written_names([error], written_names))


def to_base_units(
    value: str | int | Decimal, field: str, token: Token | None, errors: list[FieldError]
) -> int | None:
    """An amount in base units; ``None`` with an error, or of a token that is not known."""
    try:
        if token is not None:
            return parse_amount(value, token.decimals)
        parse_decimal(value)  # an unknown token: the number of its decimals is not known
    except ValueError as error:
        errors.append(FieldError(field, "invalid_field", str(error)))
    return None
