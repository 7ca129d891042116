"""The wallets that a worker signs with: which ones, by the settings and the node's cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from backend.chain.nodes.solana_node import SolanaNode
from backend.chain.wallet import Wallet, create_paper_wallet, load_wallet
from backend.chain.wire import SIMULATED_GENESIS_HASH
from backend.config import ConfigurationError, Settings
from backend.domain.errors import Transient
from backend.engine.nodes.cluster import identify_cluster
from backend.engine.shared_services import SharedServices
from backend.runtime import observe_node
from backend.runtime.startup import wait_for_server
from backend.store.wallets.addresses import tell_wallets


class OpenedWallets(NamedTuple):
    """The wallets, the first of which is the main one, and whether the node is the simulated one.

    What is signed for that is not simulated before.
    """

    wallets: Sequence[Wallet]
    is_simulated: bool


async def open_wallets(
    settings: Settings, shared: SharedServices, stop: asyncio.Event
) -> OpenedWallets:
    """Open the wallets to sign with, whose addresses other processes get to know.

    Raises ``ConfigurationError`` and ``Rejected`` for what is wrong with them.
    """
    select = partial(select_wallets, settings, shared.rpc)
    opened = await wait_for_server("the node", select, away=(Transient,), stop=stop)
    if opened.is_simulated and settings.wallet_file is not None:
        observe_node.wallet_file_unused(settings.wallet_file)
    addresses = [str(wallet.address) for wallet in opened.wallets]
    if len(set(addresses)) < len(addresses):
        raise ConfigurationError("ORDER_ENGINE_WALLET_FILES holds the same wallet twice")
    tell = partial(tell_wallets, shared.pool, addresses)
    await wait_for_server("PostgreSQL", tell, away=(Transient,), stop=stop)
    return opened


async def select_wallets(
    settings: Settings, rpc: SolanaNode, *, signs: bool = True
) -> OpenedWallets:
    """Those of the files; on the simulated node, and only there, else the public paper wallet.

    Without ``signs`` they are looked at only. Raises ``ConfigurationError`` and ``Rejected`` for
    what is wrong with them.
    """
    genesis = await rpc.get_genesis_hash()
    is_simulated, name = genesis == SIMULATED_GENESIS_HASH, identify_cluster(settings, genesis)
    if is_simulated and not settings.wallet_files:
        return OpenedWallets([create_paper_wallet()], is_simulated)
    if signs and not is_simulated and not settings.live:
        raise ConfigurationError(
            f"SOLANA_RPC_URL is a node of {name}, not the simulated one:"
            " set ORDER_ENGINE_LIVE=1 to trade with real money"
        )
    wallets = load_wallets(settings)
    if not wallets:
        raise ConfigurationError(f"ORDER_ENGINE_WALLET_FILE must be set to trade on {name}")
    return OpenedWallets(wallets, is_simulated)


def load_wallets(settings: Settings) -> list[Wallet]:
    """Load the wallets of the settings' files, if there are any.

    Raises ``ConfigurationError`` and ``Rejected`` for what is wrong with them.
    """
    files = settings.wallet_files
    if settings.wallet_file is not None:
        if files:
            raise ConfigurationError(
                "ORDER_ENGINE_WALLET_FILE and ORDER_ENGINE_WALLET_FILES are both set: name every"
                " wallet in the latter"
            )
        files = (settings.wallet_file,)
    return [load_wallet(path) for path in files]
