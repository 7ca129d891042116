"""The SOL that a swap takes from its wallet besides the amount: the network fee and rent.

Rent is a deposit: that of the temporary account of wrapped SOL comes back in the same transaction,
that of a token account stays as long as the account does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.chain.compute_budget import ComputeBudget
from backend.domain.fees.order_fees import AUTO, SIGNATURE_FEE, OrderFees
from backend.venues.layout import compute_rent_exemption

WALLET_RENT: Final = compute_rent_exemption(0)
"""The lamports that a wallet may not fall below, unless it is emptied."""


@dataclass(frozen=True, slots=True)
class FeeBounds:
    """The most lamports that one transaction may pay as its network fee, by its order.

    ``default`` where the order leaves it to the settings, ``auto`` where it asks for that. A tip is
    part of both, and of what an order tells.
    """

    default: int
    auto: int
    tip: int = 0

    def compute_most(self, fees: OrderFees | None) -> int:
        """The most that a transaction of an order with these fees pays."""
        if fees is None:
            return self.default
        if fees.fixed_priority_fee is not None:
            most = SIGNATURE_FEE + fees.fixed_priority_fee + self.tip
        else:
            most = self.auto if fees.priority_fee == AUTO else self.default
        return most if fees.max_fee is None else min(most, fees.max_fee)


def compute_network_fee(budget: ComputeBudget) -> int:
    """Compute the lamports that a transaction with one signature pays, whether it succeeds or not.

    The priority fee is charged for the limit of the budget, whatever is used of it. With a ceiling
    it is the most that such a transaction pays.
    """
    if budget.ceiling_lamports is not None:
        return SIGNATURE_FEE + budget.ceiling_lamports
    return budget.compute_fee()
