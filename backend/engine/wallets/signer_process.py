"""The signer process: its wallets, its policy and its socket, by the settings."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.wallet import AskPassword, Wallet
from backend.config import ConfigurationError, Settings
from backend.config.chain.signer_settings import DayLimits
from backend.config.comma_list import split_commas
from backend.domain.tokens import SOL
from backend.engine.nodes.cluster import build_cluster
from backend.engine.wallets.signing_wallets import load_wallets
from backend.signer import observe_signer
from backend.signer.day_count import CountFileError, DayCount
from backend.signer.policy import SigningPolicy
from backend.signer.server import SocketServer, serve_socket
from backend.signer.signatory import Signatory

_SET_DUMPABLE: Final = 4


async def run_signer(
    settings: Settings,
    ask_password: AskPassword | None,
    *,
    now: Callable[[], float],
    on_ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Run a signer until ``stop``. ``now`` returns the Unix time.

    Raises ``ConfigurationError`` and ``Rejected`` for what is wrong with its settings and wallets.
    """
    if sys.platform != "linux":
        raise ConfigurationError("the signer runs on Linux only, whose kernel says who connects")
    path, policy = _require_socket(settings), build_policy(settings)
    user_ids = find_user_ids(settings.signer_users)
    protect_memory()
    wallets = _load_wallets(settings, ask_password)
    count_file = settings.signer_count_file or _name_count_file(settings)
    try:
        count = DayCount(count_file, policy.day_limits, policy.day_lamports, now)
    except CountFileError as error:
        raise ConfigurationError(f"ORDER_ENGINE_SIGNER_COUNT_FILE: {error}") from None
    try:
        server = SocketServer(Signatory(wallets, policy, count), {os.geteuid(), *user_ids})
        async with serve_socket(path, server, is_shared=bool(user_ids)):
            addresses = [str(each.address) for each in wallets]
            observe_signer.signer_started(addresses, str(path), str(count_file))
            on_ready()
            await stop.wait()
    finally:
        count.close()


def build_policy(settings: Settings) -> SigningPolicy:
    """The policy of the settings. Raises ``ConfigurationError`` if they permit to sell nothing."""
    limits = settings.parse_day_limits()
    if limits == DayLimits({}, permits_others=False):
        raise ConfigurationError(
            "ORDER_ENGINE_SIGNER_DAY_LIMITS must say what may be sold on a day, such as"
            " SOL=50,USDC=5000"
        )
    return SigningPolicy(
        venues=build_cluster(settings, settings.cluster).venues.by_program,
        day_limits={Pubkey.from_string(mint): n for mint, n in limits.by_mint.items()},
        permits_others=limits.permits_others,
        day_lamports=int(settings.signer_day_fees_sol.scaleb(SOL.decimals)),
        fee_lamports_max=settings.signer_fee_lamports_max,
        tip_accounts=frozenset(map(Pubkey.from_string, split_commas(settings.signer_tip_accounts))),
    )


def find_user_ids(names: str) -> frozenset[int]:
    """The numbers of users by names or numbers. Raises ``ConfigurationError`` for unknown ones."""
    ids = set()
    for name in split_commas(names):
        try:
            ids.add(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise ConfigurationError(
                f"ORDER_ENGINE_SIGNER_USERS names a user that there is not: {name}"
            ) from None
    return frozenset(ids)


def protect_memory() -> None:
    """Let no other process of this user read the memory of this one, nor its core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _require_socket(settings: Settings) -> Path:
    if settings.signer_socket is None:
        raise ConfigurationError("ORDER_ENGINE_SIGNER_SOCKET or --socket must say where it listens")
    return settings.signer_socket


def _load_wallets(settings: Settings, ask_password: AskPassword | None) -> Sequence[Wallet]:
    wallets = load_wallets(settings, ask_password)
    if not wallets:
        raise ConfigurationError("ORDER_ENGINE_WALLET_FILE or --wallet must name a wallet")
    if len({each.address for each in wallets}) < len(wallets):
        raise ConfigurationError("the same wallet is named twice")
    return wallets


def _name_count_file(settings: Settings) -> Path:
    first = settings.wallet_file or settings.wallet_files[0]
    return first.with_name(f"{first.name}.count")
