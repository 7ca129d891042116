"""The clusters that a simulated chain can look like: one of its own, mainnet, or devnet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backend.chain.wire import DEVNET_GENESIS_HASH, MAINNET_GENESIS_HASH, SIMULATED_GENESIS_HASH
from backend.venues import MAINNET_VENUES, Venues
from backend.venues.program_ids import DEVNET_PROGRAM_IDS

_LAMPORTS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Faucet:
    """What ``requestAirdrop`` gives at once, and how often an hour to one address, if limited."""

    lamports_max: int
    requests_max: int | None = None


@dataclass(frozen=True, slots=True)
class Dress:
    """What a chain has of a cluster.

    Without ``has_default_pools`` no pool is at the address that its program derives from its two
    tokens: all have to be found. Without a faucet there are no airdrops.
    """

    genesis_hash: str
    venues: Venues
    has_default_pools: bool
    faucet: Faucet | None


DRESSES: Final[Mapping[str, Dress]] = {
    "simulated": Dress(
        SIMULATED_GENESIS_HASH, MAINNET_VENUES, has_default_pools=True, faucet=Faucet(10**15)
    ),
    "mainnet": Dress(MAINNET_GENESIS_HASH, MAINNET_VENUES, has_default_pools=True, faucet=None),
    "devnet": Dress(
        DEVNET_GENESIS_HASH,
        Venues(DEVNET_PROGRAM_IDS),
        has_default_pools=False,
        faucet=Faucet(5 * _LAMPORTS, requests_max=2),
    ),
}
"""The dresses by the names of ``options.DRESS_NAMES``."""
