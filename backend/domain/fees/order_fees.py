"""What an order says of the network fee that each of its transactions pays, in lamports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import orjson

from backend.domain.errors import InvalidInput, Rejected

SIGNATURE_FEE: Final = 5_000
"""The lamports that every transaction with one signature pays."""
MICROLAMPORTS: Final = 1_000_000
"""Micro-lamports of a lamport: a compute unit is priced in them."""
FEE_LAMPORTS_MAX: Final = 10_000_000_000
"""The most that a fee may be said to be: 10 SOL."""
AUTO: Final = "auto"
"""The priority fee that recent blocks have charged."""
PriorityFee: TypeAlias = int | Literal["auto"]


@dataclass(frozen=True, slots=True)
class OrderFees:
    """The fees of each transaction of an order; ``None`` leaves one to the settings.

    ``priority_fee`` is ``AUTO``, or the lamports that it pays above the fee of its signature;
    ``max_fee`` is the most that it pays in all, a tip among it.
    """

    priority_fee: PriorityFee | None = None
    max_fee: int | None = None

    def __post_init__(self) -> None:
        assert 0 <= (self.fixed_priority_fee or 0) <= FEE_LAMPORTS_MAX
        assert self.max_fee is None or SIGNATURE_FEE <= self.max_fee <= FEE_LAMPORTS_MAX
        assert (self.priority_fee, self.max_fee) != (None, None), "none of both is no fees"

    @property
    def fixed_priority_fee(self) -> int | None:
        """The priority fee where the order tells its lamports."""
        return None if self.priority_fee == AUTO else self.priority_fee


def make_fees(priority_fee: PriorityFee | None, max_fee: int | None) -> OrderFees | None:
    """The fees of an order; ``None`` for one that says nothing of them."""
    if priority_fee is None and max_fee is None:
        return None
    return OrderFees(priority_fee, max_fee)


def follows_market(fees: OrderFees | None, *, is_auto: bool) -> bool:
    """Whether an order with these fees pays what recent blocks have charged.

    ``is_auto`` is what the settings say, for an order that leaves its priority fee to them.
    """
    said = None if fees is None else fees.priority_fee
    return is_auto if said is None else said == AUTO


def find_fee_errors(
    priority_fee: PriorityFee | None, max_fee: int | None, ceiling: int
) -> Iterator[InvalidInput]:
    """The errors of fees that no transaction can have; ``ceiling`` is that of the priority fee."""
    if isinstance(priority_fee, int) and priority_fee > ceiling:
        reason = f"is above {ceiling}, the ceiling of this engine for the priority fee"
        yield InvalidInput("priorityFee", reason)
    if max_fee is not None and max_fee < SIGNATURE_FEE:
        reason = f"is below {SIGNATURE_FEE}, which every transaction pays for its signature"
        yield InvalidInput("maxFeeLamports", reason)
    elif (
        max_fee is not None
        and isinstance(priority_fee, int)
        and SIGNATURE_FEE + priority_fee > max_fee
    ):
        needed = SIGNATURE_FEE + priority_fee
        reason = f"is below {needed}, the priorityFee with {SIGNATURE_FEE} for the signature"
        yield InvalidInput("maxFeeLamports", reason)


def require_minimum(fees: OrderFees | None, least: int) -> None:
    """Raise ``Rejected`` (``fee_above_maximum``) if the least network fee is too much for it."""
    if fees is not None and fees.max_fee is not None and least > fees.max_fee:
        raise Rejected(
            "fee_above_maximum",
            f"the network fee is at least {least} lamports, and maxFeeLamports is {fees.max_fee}",
        )


def fees_to_json(fees: OrderFees | None) -> dict[str, object]:
    """The fields of an order that tell its fees; what is left to the settings is left out."""
    if fees is None:
        return {}
    fields = {"priorityFee": fees.priority_fee, "maxFeeLamports": fees.max_fee}
    return {name: value for name, value in fields.items() if value is not None}


def encode_fees(fees: OrderFees | None) -> str | None:
    """Fees as JSON text without blanks, as rows and jobs have them; ``None`` for none."""
    return None if fees is None else orjson.dumps(fees_to_json(fees)).decode()


def is_fees_text(text: str) -> bool:
    """Whether a JSON text is of fees, and not of the constraints of a route."""
    return text.startswith(('{"priorityFee"', '{"maxFeeLamports"'))


def decode_fees(text: str | None) -> OrderFees | None:
    """The fees of a text that ``encode_fees`` made.

    Raises ``ValueError`` or ``AssertionError`` if it is another text.
    """
    if text is None:
        return None
    fields = dict(orjson.loads(text))
    try:
        fees = OrderFees(fields.pop("priorityFee", None), fields.pop("maxFeeLamports", None))
    except TypeError as error:
        raise ValueError(f"is not what fees may be: {error}") from None
    if fields:
        raise ValueError(f"has more than fees: {', '.join(fields)}")
    return fees
