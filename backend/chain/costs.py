"""The SOL that a swap takes from its wallet besides the amount: the network fee and rent.

Rent is a deposit: that of the temporary account of wrapped SOL comes back in the same transaction,
that of a token account stays as long as the account does.
"""

from __future__ import annotations

from typing import Final

from backend.chain.transactions import MICROLAMPORTS, ComputeBudget
from backend.domain.amounts import ceil_div
from backend.venues.layout import compute_rent_exemption

WALLET_RENT: Final = compute_rent_exemption(0)
"""The lamports that a wallet may not fall below, unless it is emptied."""

_SIGNATURE_FEE: Final = 5_000


def compute_network_fee(budget: ComputeBudget) -> int:
    """Compute the lamports that a transaction with one signature pays, whether it succeeds or not.

    The priority fee is charged for the limit of the budget, whatever is used of it. With a ceiling
    it is the most that such a transaction pays.
    """
    if budget.ceiling_lamports is not None:
        return _SIGNATURE_FEE + budget.ceiling_lamports
    return _SIGNATURE_FEE + ceil_div(budget.unit_limit * budget.unit_price, MICROLAMPORTS)
