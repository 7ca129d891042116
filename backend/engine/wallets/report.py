"""The wallets of the settings for ``order-engine wallet``: what they hold, and SOL for a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.chain.rpc.client import RpcClient
from backend.chain.signing.signer import Signer
from backend.chain.wallet import AskPassword, create_paper_wallet
from backend.chain.wire import SIMULATED_GENESIS_HASH, Commitment
from backend.config import ConfigurationError, Settings
from backend.config.chain.node_urls import parse_node_urls
from backend.domain.amounts import Token
from backend.domain.errors import EngineError, Rejected, Unavailable
from backend.domain.tokens import SOL, TokenRegistry
from backend.engine.nodes.clients import build_rpc_client
from backend.engine.nodes.cluster import identify_cluster
from backend.engine.wallets.signing_wallets import list_signers
from backend.execution.wallet.balances import WalletBalances
from backend.venues.mint import read_mint

MAINNET: Final = "mainnet-beta"
CONFIRMED_WITHIN_S: Final = 90.0
_POLL_S: Final = 0.5
_NO_AIRDROP: Final = "no_airdrop"
_FAUCET: Final = "https://faucet.solana.com"


class OpenNode(NamedTuple):
    """A node with the name of its cluster, and the wallets that a worker would sign with there."""

    rpc: RpcClient
    cluster: str
    wallets: Sequence[Signer]


class Holding(NamedTuple):
    """What a wallet holds of a token, in base units."""

    token: Token
    amount: int


@asynccontextmanager
async def open_wallet_node(
    settings: Settings, ask_password: AskPassword | None = None
) -> AsyncIterator[OpenNode]:
    """Open the first node of the settings. Raises ``ConfigurationError`` and ``EngineError``."""
    urls = parse_node_urls(settings.solana_rpc_url or "")
    if not urls:
        raise ConfigurationError("SOLANA_RPC_URL must be set for this command")
    async with build_rpc_client(settings, urls[0]) as rpc:
        genesis_hash = await rpc.get_genesis_hash()
        cluster = identify_cluster(settings, genesis_hash)
        wallets = await list_signers(settings, ask_password)
        if not wallets and genesis_hash == SIMULATED_GENESIS_HASH:
            wallets = [create_paper_wallet()]
        yield OpenNode(rpc, cluster, wallets)


async def read_holdings(node: OpenNode, wallet: Pubkey, mints: Sequence[str]) -> list[Holding]:
    """What a wallet holds: SOL, of listed tokens and of ``mints`` those that it has.

    Raises ``EngineError``, also for what is no mint.
    """
    others = await _read_tokens(node.rpc, mints)
    listed, balances = TokenRegistry(), WalletBalances(node.rpc)
    balances.watch(wallet, listed)
    held = await balances.refresh(others)
    amounts = [Holding(each, held.tokens.get(each.mint) or 0) for each in (*listed, *others)]
    return [Holding(SOL, held.lamports), *(each for each in amounts if each.amount)]


async def _read_tokens(rpc: RpcClient, mints: Sequence[str]) -> list[Token]:
    keys = []
    for mint in mints:
        try:
            keys.append(Pubkey.from_string(mint))
        except ValueError:
            raise Rejected("invalid_mint", f"{mint} is no address in base58") from None
    if not keys:
        return []
    _, accounts = await rpc.get_multiple_accounts(keys)
    tokens = []
    for mint, key, account in zip(mints, keys, accounts, strict=True):
        if account is None:
            raise Rejected("invalid_mint", f"there is no mint {mint} on this cluster")
        tokens.append(Token(mint, mint, read_mint(key, account, 0).decimals))
    return tokens


async def request_airdrop(node: OpenNode, recipient: Pubkey, lamports: int) -> str:
    """Ask the node for SOL and wait until its transfer is confirmed; returns its signature.

    Raises ``Rejected`` on mainnet, where there is none to be had, and what the node says.
    """
    if node.cluster == MAINNET:
        reason = "there are no airdrops on mainnet-beta: SOL has to be bought there"
        raise Rejected(_NO_AIRDROP, reason)
    try:
        signature = await node.rpc.request_airdrop(recipient, lamports)
    except EngineError as error:
        is_public = node.cluster in {"devnet", "testnet"} and _FAUCET not in error.reason
        hint = f"; {_FAUCET} gives SOL as well" if is_public else ""
        raise Rejected(_NO_AIRDROP, f"no airdrop: {error.reason}{hint}") from None
    await _wait_confirmed(node.rpc, signature)
    return signature


async def _wait_confirmed(rpc: RpcClient, signature: str) -> None:
    try:
        async with asyncio.timeout(CONFIRMED_WITHIN_S):
            while True:
                [status] = (await rpc.get_signature_statuses([signature])).entries
                if status is not None and status.commitment is not Commitment.PROCESSED:
                    break
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        reason = f"the airdrop {signature} is not confirmed within {CONFIRMED_WITHIN_S:g} s"
        raise Unavailable("not_confirmed", reason) from None
    if status.err is not None:
        raise Rejected("airdrop_failed", f"the airdrop {signature} failed: {status.err}")
