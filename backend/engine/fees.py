"""What chooses the price of a transaction, by the settings."""

from __future__ import annotations

from backend.chain.nodes.solana_node import SolanaNode
from backend.config import Settings
from backend.engine.wallets.funds import build_budget
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
from backend.routing.router import Router


def build_fees(settings: Settings, rpc: SolanaNode, router: Router) -> PriorityFees:
    """Build what chooses the price of each transaction; ``router`` is told what it reads."""
    policy = FeePolicy(
        settings.priority_fee_percentile,
        settings.priority_fee_factor,
        settings.priority_fee_ceiling_lamports,
        is_auto=settings.priority_fee == "auto",
    )
    fetch = rpc.get_recent_prioritization_fees
    return PriorityFees(fetch, build_budget(settings), policy, on_price=router.tell_price)
