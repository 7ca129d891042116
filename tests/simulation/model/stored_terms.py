"""The columns in which an order's terms are stored, as statements pass them."""

from __future__ import annotations

from typing import Any, cast

from backend.domain.orders import OrderTerms
from backend.domain.tokens import TokenRegistry
from backend.store.leases.leased_orders import parse_terms

_COLUMNS = (
    *("type", "token_in", "token_out", "amount_in", "min_amount_out"),
    *("slippage_bps", "max_price_impact_bps", "condition"),
)
TOKENS = TokenRegistry()


def parse_stored_terms(*values: Any) -> OrderTerms:
    """Parse the terms from the values of their columns, the condition last; no route is asked."""
    row = {**dict(zip(_COLUMNS, values, strict=True)), "route_constraints": None, "fees": None}
    return parse_terms(cast(Any, row), TOKENS)
