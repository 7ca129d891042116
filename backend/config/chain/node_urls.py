"""The addresses of nodes, and names for them that hold no secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from backend.config.comma_list import split_commas

NODES_MAX: Final = 8
"""Most addresses of one setting."""
_SCHEMES: Final = frozenset({"http", "https"})


def parse_node_urls(text: str) -> list[str]:
    """The addresses in a text, separated by commas.

    Raises ``ValueError`` with a sentence that repeats none of them: they may hold keys.
    """
    urls = split_commas(text)
    for number, url in enumerate(urls, 1):
        which = f"address {number} " if len(urls) > 1 else ""
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:  # of the port
            is_valid = False
        if not is_valid:
            raise ValueError(f"{which}must begin with http:// or https:// and name a host")
    if len(set(urls)) < len(urls):
        raise ValueError("names the same address twice")
    if len(urls) > NODES_MAX:
        raise ValueError(f"names {len(urls)} addresses, and at most {NODES_MAX} are taken")
    return urls


def name_nodes(urls: Sequence[str]) -> list[str]:
    """A name for each address: its host and port, and a number where several share these."""
    names: list[str] = []
    for url in urls:
        parts = urlsplit(url)
        host = parts.hostname or "node"
        name = host if parts.port is None else f"{host}:{parts.port}"
        same = sum(each.partition("#")[0] == name for each in names)
        names.append(name if not same else f"{name}#{same + 1}")
    return names
