"""The swap of a route, in the form that transactions are built from."""

from __future__ import annotations

from solders.pubkey import Pubkey

from backend.chain.transactions import SwapLeg, SwapParameters
from backend.domain.orders import OrderTerms
from backend.routing.route import Leg, Route


def make_swap(terms: OrderTerms, route: Route, seed: str) -> SwapParameters:
    """Make the swap of an order through a route; ``seed`` makes its transaction unique."""
    return SwapParameters(
        [_make_leg(leg) for leg in route.legs],
        Pubkey.from_string(terms.token_in.mint),
        Pubkey.from_string(terms.token_out.mint),
        seed,
    )


def _make_leg(leg: Leg) -> SwapLeg:
    mints = Pubkey.from_string(leg.token_in.mint), Pubkey.from_string(leg.token_out.mint)
    return SwapLeg(leg.pool, leg.quote.amount_in, leg.min_amount_out, mints)
