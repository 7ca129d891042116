"""The address of a transaction in an explorer, by the pattern of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SIGNATURE: Final = "{signature}"
CLUSTER: Final = "{cluster}"
_NAMES: Final[Mapping[str, str]] = {
    "mainnet-beta": "mainnet-beta",
    "devnet": "devnet",
    "testnet": "testnet",
    "localnet": "custom",
}
"""What explorers call the clusters of the API."""


class NoExplorer(Exception):
    """A transaction has no address; the text says why."""


def build_explorer_address(pattern: str, signature: str | None, cluster: str) -> str:
    """The address of a transaction on a cluster. Raises ``NoExplorer``."""
    if signature is None:
        raise NoExplorer("no signature: nothing was signed yet")
    if cluster == "simulated":
        raise NoExplorer("no explorer shows the simulated chain")
    if not pattern.startswith(("https://", "http://")) or SIGNATURE not in pattern:
        raise NoExplorer("the setting `explorer` needs an address with {signature}")
    if CLUSTER in pattern and cluster not in _NAMES:
        raise NoExplorer("the engine does not tell which cluster the signature is on")
    return pattern.replace(SIGNATURE, signature).replace(CLUSTER, _NAMES.get(cluster, ""))
