"""The fields of an order that say what its transactions pay the network: schemas, and their use."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field, PlainValidator, WithJsonSchema

from backend.api.wire.fields import integral_to_int
from backend.api.wire.order_types.conditions import add_errors
from backend.api.wire.problems import FieldError
from backend.domain.fees.order_fees import (
    AUTO,
    FEE_LAMPORTS_MAX,
    SIGNATURE_FEE,
    OrderFees,
    PriorityFee,
    find_fee_errors,
    make_fees,
)
from backend.domain.orders import OrderTerms

PRIORITY_FEE_MAX: Final = FEE_LAMPORTS_MAX
"""The most lamports of a priority fee where no setting has a lower ceiling."""


def require_priority_fee(value: object) -> PriorityFee:
    """Return what can be a priority fee. Raises ``ValueError`` (reason)."""
    if isinstance(value, str) and value.lower() == AUTO:
        return AUTO
    lamports = None if isinstance(value, bool) else integral_to_int(value)
    if isinstance(lamports, int) and 0 <= lamports <= FEE_LAMPORTS_MAX:
        return lamports
    raise ValueError(f"must be {AUTO!r}, or whole lamports from 0 to {FEE_LAMPORTS_MAX}")


_PRIORITY_FEE_SCHEMA: Final[dict[str, object]] = {
    "anyOf": [
        {"const": AUTO},
        {"type": "integer", "minimum": 0, "maximum": FEE_LAMPORTS_MAX},
    ],
    "description": "What each transaction of the order pays to be included, besides the"
    f" {SIGNATURE_FEE} lamports of its signature: so many lamports, or `auto` for what recent"
    " blocks charged for the accounts that it locks, which further attempts raise. Without it, the"
    " engine's settings decide. At most `ORDER_ENGINE_PRIORITY_FEE_CEILING_LAMPORTS`.",
}
PriorityFeeValue = Annotated[
    PriorityFee, PlainValidator(require_priority_fee), WithJsonSchema(_PRIORITY_FEE_SCHEMA)
]
MaxFeeLamports = Annotated[
    int,
    Field(
        strict=True,
        ge=SIGNATURE_FEE,
        le=FEE_LAMPORTS_MAX,
        description="The most lamports that one transaction of the order pays the network, for its"
        " signature, its priority and a tip. What would cost more pays so much; an order whose"
        " least fee is above it fails with `fee_above_maximum`.",
    ),
    BeforeValidator(integral_to_int),
]


class FeeBody(BaseModel):
    """What an order says of the fees of its transactions."""

    priority_fee: PriorityFeeValue | None = None
    max_fee_lamports: MaxFeeLamports | None = None


def resolve_fees(
    body: FeeBody, terms: OrderTerms | None, ceiling: int, errors: list[FieldError]
) -> OrderTerms | None:
    """The terms of an order with its fees, if it says something of them.

    ``ceiling`` is the most lamports that a priority fee may be.
    """
    fees = _check(body.priority_fee, body.max_fee_lamports, ceiling, errors)
    return terms if terms is None or fees is None else replace(terms, fees=fees)


def amend_fees(
    fees: OrderFees | None, body: FeeBody, ceiling: int, errors: list[FieldError]
) -> OrderFees | None:
    """The fees of an order after a change: what the body leaves out stays as it is."""
    priority_fee, max_fee = body.priority_fee, body.max_fee_lamports
    if priority_fee is None and max_fee is None:
        return fees
    if fees is not None:
        priority_fee = fees.priority_fee if priority_fee is None else priority_fee
        max_fee = fees.max_fee if max_fee is None else max_fee
    return _check(priority_fee, max_fee, ceiling, errors)


def _check(
    priority_fee: PriorityFee | None, max_fee: int | None, ceiling: int, errors: list[FieldError]
) -> OrderFees | None:
    found = list(find_fee_errors(priority_fee, max_fee, ceiling))
    add_errors(found, errors)
    return None if found else make_fees(priority_fee, max_fee)
