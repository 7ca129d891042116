"""Wire types of Solana JSON-RPC shared by the client and the simulated node, and the clusters.

A cluster is identified by its genesis hash: that is what separates play money from real money.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Final

from solders.hash import Hash

SIMULATED_GENESIS_HASH: Final = str(Hash(sha256(b"order-engine simulated chain").digest()))
"""The genesis hash of the simulated node's chain, independent of its seed."""

PAPER_WALLET_SEED: Final = sha256(b"order-engine paper wallet").digest()
"""The seed of the wallet that the simulated node funds. It is public: play money only."""

MAINNET_GENESIS_HASH: Final = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
DEVNET_GENESIS_HASH: Final = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
TESTNET_GENESIS_HASH: Final = "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY"
UNKNOWN_CLUSTER: Final = "unknown"
_SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32
_HEADER_BYTES: Final = 3
_CONTINUATION_BIT: Final = 0x80
"""In a byte of a length: another byte follows. In the first byte of a message: it has a version."""
CLUSTERS: Final = {
    SIMULATED_GENESIS_HASH: "simulated",
    MAINNET_GENESIS_HASH: "mainnet-beta",
    DEVNET_GENESIS_HASH: "devnet",
    TESTNET_GENESIS_HASH: "testnet",
}


class Commitment(StrEnum):
    """The commitment level of a block: ``processed`` may be rolled back, ``finalized`` never is."""

    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


def read_fee_payer(wire: bytes) -> bytes | None:
    """The address that pays for a transaction; ``None`` unless it alone signs it."""
    at = 1 + _SIGNATURE_BYTES
    if wire[:1] != b"\x01" or len(wire) <= at:
        return None
    at += _HEADER_BYTES + (wire[at] >= _CONTINUATION_BIT)
    at += 1 + (len(wire) > at and wire[at] >= _CONTINUATION_BIT)
    payer = wire[at : at + _KEY_BYTES]
    return payer if len(payer) == _KEY_BYTES else None


def get_cluster_name(genesis_hash: str) -> str:
    """The name of the cluster with this genesis hash; ``unknown`` for any other."""
    return CLUSTERS.get(genesis_hash, UNKNOWN_CLUSTER)
