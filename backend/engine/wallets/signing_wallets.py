"""The wallets that a worker signs with: which ones, by the settings and the node's cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from backend.chain.nodes.solana_node import SolanaNode
from backend.chain.signing.signer import Signer
from backend.chain.signing.signer_client import SignerClient
from backend.chain.wallet import AskPassword, Wallet, create_paper_wallet, load_wallet
from backend.chain.wire import SIMULATED_GENESIS_HASH
from backend.config import ConfigurationError, Settings
from backend.config.secret_files import read_secret_file
from backend.domain.errors import Transient
from backend.engine.api_services import now
from backend.engine.nodes.cluster import identify_cluster
from backend.engine.shared_services import SharedServices
from backend.engine.wallets.signer_watch import Tell, watch_signer
from backend.runtime import observe_node
from backend.runtime.background import run_in_background
from backend.runtime.startup import wait_for_server
from backend.store.wallets.addresses import tell_wallets


class OpenedWallets(NamedTuple):
    """The wallets, the first of which is the main one, and whether the node is the simulated one.

    What is signed for that is not simulated before.
    """

    wallets: Sequence[Signer]
    is_simulated: bool


@asynccontextmanager
async def open_wallets(
    settings: Settings, shared: SharedServices, stop: asyncio.Event, tell: Tell
) -> AsyncIterator[OpenedWallets]:
    """Open the wallets to sign with, whose addresses other processes get to know.

    ``tell`` is called while their signer is away, if they have one, and when it is back.
    Raises ``ConfigurationError`` and ``Rejected`` for what is wrong with them.
    """
    async with _open_signer(settings) as client:
        remote = None
        if client is not None:
            ask = client.list_signers
            remote = await wait_for_server("the signer", ask, away=(Transient,), stop=stop)
        select = partial(_select_for_cluster, settings, shared.rpc, remote, signs=True)
        opened = await wait_for_server("the node", select, away=(Transient,), stop=stop)
        if opened.is_simulated and settings.wallet_file is not None:
            observe_node.wallet_file_unused(settings.wallet_file)
        addresses = [str(wallet.address) for wallet in opened.wallets]
        if len(set(addresses)) < len(addresses):
            raise ConfigurationError("ORDER_ENGINE_WALLET_FILES holds the same wallet twice")
        publish = partial(tell_wallets, shared.pool, addresses)
        await wait_for_server("PostgreSQL", publish, away=(Transient,), stop=stop)
        if client is None:
            yield opened
        else:
            async with run_in_background(partial(watch_signer, client, tell, now)):
                yield opened


async def select_wallets(
    settings: Settings, rpc: SolanaNode, *, signs: bool = True
) -> OpenedWallets:
    """Those of the signer or of the files; on the simulated node, and only there, else the public
    paper wallet.

    Without ``signs`` they are looked at only. Raises ``ConfigurationError`` and ``Rejected`` for
    what is wrong with them, and ``Unavailable`` if their signer does not answer.
    """
    remote = await _list_remote(settings)
    return await _select_for_cluster(settings, rpc, remote, signs=signs)


async def _select_for_cluster(
    settings: Settings, rpc: SolanaNode, remote: Sequence[Signer] | None, *, signs: bool
) -> OpenedWallets:
    genesis = await rpc.get_genesis_hash()
    is_simulated, name = genesis == SIMULATED_GENESIS_HASH, identify_cluster(settings, genesis)
    if is_simulated and not settings.wallet_files and remote is None:
        return OpenedWallets([create_paper_wallet()], is_simulated)
    if signs and not is_simulated and not settings.live:
        raise ConfigurationError(
            f"SOLANA_RPC_URL is a node of {name}, not the simulated one:"
            " set ORDER_ENGINE_LIVE=1 to trade with real money"
        )
    wallets = load_wallets(settings) if remote is None else remote
    if not wallets:
        raise ConfigurationError(f"ORDER_ENGINE_WALLET_FILE must be set to trade on {name}")
    return OpenedWallets(wallets, is_simulated)


async def list_signers(
    settings: Settings, ask_password: AskPassword | None = None
) -> Sequence[Signer]:
    """The wallets of the settings: those of their signer, or of their files, if there are any.

    Raises ``ConfigurationError`` and ``Rejected`` for what is wrong with them, and ``Unavailable``
    if the signer does not answer.
    """
    remote = await _list_remote(settings)
    return load_wallets(settings, ask_password) if remote is None else remote


async def _list_remote(settings: Settings) -> Sequence[Signer] | None:
    """The wallets of the signer; ``None`` without one."""
    async with _open_signer(settings) as client:
        return None if client is None else await client.list_signers()


@asynccontextmanager
async def _open_signer(settings: Settings) -> AsyncIterator[SignerClient | None]:
    """A client of the signer of the settings, if there is one."""
    if settings.signer_socket is None:
        yield None
        return
    if settings.wallet_file is not None or settings.wallet_files:
        raise ConfigurationError(
            "ORDER_ENGINE_SIGNER_SOCKET and ORDER_ENGINE_WALLET_FILE are both set: the wallets of"
            " the signer are used, and this process needs to read no key"
        )
    client = SignerClient(settings.signer_socket)
    try:
        yield client
    finally:
        client.close()


def load_wallets(settings: Settings, ask_password: AskPassword | None = None) -> list[Wallet]:
    """Load the wallets of the settings' files, if there are any.

    The password of encrypted ones is that of ``ORDER_ENGINE_WALLET_PASSWORD_FILE``, or else what
    ``ask_password`` returns. Raises ``ConfigurationError`` and ``Rejected`` for what is wrong.
    """
    files = settings.wallet_files
    if settings.wallet_file is not None:
        if files:
            raise ConfigurationError(
                "ORDER_ENGINE_WALLET_FILE and ORDER_ENGINE_WALLET_FILES are both set: name every"
                " wallet in the latter"
            )
        files = (settings.wallet_file,)
    path = settings.wallet_password_file
    if path is not None:
        ask_password = partial(read_secret_file, path, "ORDER_ENGINE_WALLET_PASSWORD_FILE")
    return [load_wallet(path, ask_password) for path in files]
