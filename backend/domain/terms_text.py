"""The terms of a market order as one line of text, which its job carries.

What it asks of its route comes last, then what it says of its fees: both are missing for an order
that asks nothing.

A job is a hint, which may be old, doubled or wrong. So the commit that claims an order by this text
compares it with the order's row (``TERMS_TEXT`` in ``backend.store.transitions``).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from backend.domain.errors import InvalidInput
from backend.domain.fees.order_fees import decode_fees, encode_fees, is_fees_text
from backend.domain.lifecycle import Status
from backend.domain.orders import LeasedOrder, NewOrder, OrderTerms, OrderType, TimeInForce
from backend.domain.route_constraints import decode_constraints, encode_constraints
from backend.domain.tokens import TokenRegistry

ABSENT: Final = "-"
EXPIRES: Final = "expires"
FIRST_SEQ: Final = 1
FIRST_EPOCH: Final = 1
"""That of the first claim of an order."""


def format_terms_text(order: NewOrder) -> str | None:
    """The text of a new order; ``None`` for one that is no plain market order."""
    terms = order.terms
    is_plain = terms.condition is None and order.bracket is None and order.oco_group is None
    if terms.type is not OrderType.MARKET or not is_plain:
        return None
    fields = (
        terms.type.value,
        terms.token_in.symbol,
        terms.token_out.symbol,
        str(terms.amount_in),
        _format_optional(terms.min_amount_out),
        str(terms.slippage_bps),
        _format_optional(terms.max_price_impact_bps),
        order.time_in_force.value,
        ABSENT if order.expires_at is None else EXPIRES,
    )
    constraints = None if terms.constraints is None else encode_constraints(terms.constraints)
    asked = (each for each in (constraints, encode_fees(terms.fees)) if each is not None)
    return " ".join((*fields, *asked))


def parse_terms_text(order_id: UUID, text: str, tokens: TokenRegistry) -> LeasedOrder | None:
    """The order of a text as it is before its first claim, with the epoch that this gives it.

    ``None`` if it cannot be read.
    """
    try:
        words = text.split(" ")
        fees = decode_fees(words.pop()) if is_fees_text(words[-1]) else None
        constraints = decode_constraints(words.pop()) if words[-1].endswith("}") else None
        kind, token_in, token_out, amount_in, least, slippage, impact, force, expiry = words
        terms = OrderTerms(
            OrderType(kind),
            tokens.find(token_in, "token_in"),
            tokens.find(token_out, "token_out"),
            int(amount_in),
            _parse_optional(least),
            int(slippage),
            _parse_optional(impact),
            constraints=constraints,
            fees=fees,
        )
        time_in_force = TimeInForce(force)
    except (ValueError, AssertionError, InvalidInput):
        return None
    return LeasedOrder(
        order_id,
        terms,
        Status.PENDING,
        FIRST_SEQ,
        1,
        FIRST_EPOCH,
        time_in_force=time_in_force,
        can_expire=expiry == EXPIRES,
    )


def _format_optional(number: int | None) -> str:
    return ABSENT if number is None else str(number)


def _parse_optional(text: str) -> int | None:
    return None if text == ABSENT else int(text)
