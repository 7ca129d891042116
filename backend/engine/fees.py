"""What chooses the price of a transaction, by the settings."""

from __future__ import annotations

from backend.chain.nodes.solana_node import SolanaNode
from backend.config import Settings
from backend.engine.wallet_funds import build_budget
from backend.execution.priority_fees import FeePolicy, PriorityFees


def build_fees(settings: Settings, rpc: SolanaNode) -> PriorityFees | None:
    """Build what chooses the price of each transaction; ``None`` if it is fixed."""
    if settings.priority_fee == "fixed":
        return None
    policy = FeePolicy(settings.priority_fee_percentile, settings.priority_fee_factor)
    return PriorityFees(rpc.get_recent_prioritization_fees, build_budget(settings), policy)
