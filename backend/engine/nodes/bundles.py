"""The bundle endpoint of a worker, if its settings name one."""

from __future__ import annotations

from collections.abc import Collection

from solders.pubkey import Pubkey

from backend.chain.bundles.endpoint import BundleEndpoint
from backend.chain.bundles.sender import BundleSender
from backend.chain.bundles.tips import TipAccounts
from backend.chain.nodes.solana_node import SolanaNode
from backend.config import Settings
from backend.engine.nodes.header_file import read_header
from backend.runtime import observe


def build_bundles(
    settings: Settings, node: SolanaNode, wallets: Collection[Pubkey]
) -> BundleSender | None:
    """Build what sends transactions to the bundle endpoint and to ``node``; ``None`` without one.

    No tip is paid to ``wallets``. Raises ``ConfigurationError`` if its header cannot be read.
    """
    if not settings.jito_url:
        return None
    endpoint = BundleEndpoint(
        settings.jito_url,
        on_call=observe.rpc_called,
        authorization=read_header(settings.jito_auth_file, "ORDER_ENGINE_JITO_AUTH_FILE"),
    )
    tips = TipAccounts(
        endpoint.get_tip_accounts,
        node.get_multiple_accounts,
        lamports=settings.tip_lamports,
        wallets=wallets,
    )
    is_first = settings.jito_send == "first"
    return BundleSender(endpoint, tips, node.send_transactions, is_first=is_first)
