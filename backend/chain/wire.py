"""Wire types of Solana JSON-RPC that the client and the simulated node share, and the clusters.

A cluster is told by the hash of its genesis: that is what tells play money from money.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Final

from solders.hash import Hash

SIMULATED_GENESIS_HASH: Final = str(Hash(sha256(b"order-engine simulated chain").digest()))
"""The chain of the simulated node, whatever its seed."""

PAPER_WALLET_SEED: Final = sha256(b"order-engine paper wallet").digest()
"""The seed of the wallet that the simulated node funds. Everybody knows it: play money only."""

CLUSTERS: Final = {
    SIMULATED_GENESIS_HASH: "simulated",
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "mainnet-beta",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": "devnet",
}


class Commitment(StrEnum):
    """How sure the cluster is: ``processed`` may vanish, ``finalized`` never does."""

    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


def cluster(genesis_hash: str) -> str:
    """The name of the chain with this genesis; ``unknown`` for any other."""
    return CLUSTERS.get(genesis_hash, "unknown")
