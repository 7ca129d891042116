"""What a transaction may pay as a tip beside its network fee."""

from __future__ import annotations

from dataclasses import replace

from backend.chain.bundles.tips import Tip
from backend.chain.compute_budget import ComputeBudget
from backend.domain.fees.order_fees import SIGNATURE_FEE, OrderFees


def fit_tip(
    budget: ComputeBudget, tip: Tip | None, asked: OrderFees | None, least: int
) -> tuple[ComputeBudget, Tip | None]:
    """Fit a tip and the ceiling of the priority fee into the maximum of an order, if it has one.

    ``least`` is the network fee in lamports that it pays at least. An order whose maximum has no
    room for that and the tip pays no tip.
    """
    most = None if asked is None else asked.max_fee
    if tip is None or most is None:
        return budget, tip
    spare = most - tip.lamports
    if spare < least:
        return budget, None
    ceiling = spare - SIGNATURE_FEE
    if budget.ceiling_lamports is not None:
        ceiling = min(ceiling, budget.ceiling_lamports)
    return replace(budget, ceiling_lamports=ceiling), tip
