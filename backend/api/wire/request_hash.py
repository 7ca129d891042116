"""The hash of a request: by it a repeat is told from another request with the same key."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from backend.api.wire.groups.bracket_bodies import ReadBracket
from backend.domain.condition_fields import format_condition
from backend.domain.fees.order_fees import encode_fees
from backend.domain.orders import OrderTerms, TimeInForce
from backend.domain.route_constraints import format_canonical
from backend.domain.times import format_time
from backend.domain.waiting.shares import format_share

if TYPE_CHECKING:
    from backend.api.wire.request_schemas import OrderBody


def hash_request(
    body: OrderBody,
    terms: OrderTerms,
    time_in_force: TimeInForce,
    expires_at: datetime | None,
    bracket: ReadBracket | None,
) -> bytes:
    """The hash of a request: the same for every notation of the same request."""
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
    if terms.constraints is not None:
        cap += f"/{format_canonical(terms.constraints)}"
    if terms.fees is not None:
        cap += f"/{encode_fees(terms.fees)}"
    if bracket is not None:
        cap += f"/bracket {bracket.canonical}"
    # Of a share nothing but what the client wrote: what it is of the wallet changes.
    amounts = f"{terms.amount_in} {terms.min_amount_out}"
    if terms.amount_in_bps is not None:
        amounts = format_share(terms.amount_in_bps)
    canonical = (
        f"{terms.type} {terms.token_in.mint} {terms.token_out.mint} {amounts}"
        f" {body.slippage_bps}{cap} {_mark_name(body.client_order_id)}"
    )
    return sha256(canonical.encode()).digest()


def _mark_name(client_order_id: str | None) -> str:
    """A text that is another one for each name, and for none: "None", as it always was."""
    if client_order_id is not None and client_order_id.lstrip("=") == "None":
        return f"={client_order_id}"
    return str(client_order_id)
