"""The chains by the hash of their genesis: what tells play money from money."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from solders.hash import Hash

SIMULATED_GENESIS_HASH: Final = str(Hash(sha256(b"order-engine simulated chain").digest()))
"""The chain of the simulated node, whatever its seed."""

CLUSTERS: Final = {
    SIMULATED_GENESIS_HASH: "simulated",
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "mainnet-beta",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": "devnet",
}


def cluster(genesis_hash: str) -> str:
    """The name of the chain with this genesis; ``unknown`` for any other."""
    return CLUSTERS.get(genesis_hash, "unknown")
