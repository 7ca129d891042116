"""The address of a node's WebSocket."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

OFF: Final = "off"
_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PORT_MAX: Final = 65_535


def choose_websocket_url(setting: str, rpc_url: str) -> str | None:
    """The address to subscribe at; ``None`` if subscriptions are off, or it cannot be derived.

    An empty setting derives it from the JSON-RPC address as Solana's own tools do: the same host,
    path and query, and the next port if one is named.
    """
    if setting == OFF:
        return None
    if setting:
        return setting
    try:
        parts = urlsplit(rpc_url)
        port = parts.port
    except ValueError:
        return None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or port == _PORT_MAX:
        return None
    return SplitResult(scheme, _shift_port(parts, port), parts.path, parts.query, "").geturl()


def has_same_host(url: str, rpc_url: str) -> bool:
    """Whether a WebSocket is of the host that answers requests, by the names in the addresses."""
    try:
        return urlsplit(url).hostname == urlsplit(rpc_url).hostname
    except ValueError:
        return False


def _shift_port(parts: SplitResult, port: int | None) -> str:
    if port is None:
        return parts.netloc
    authority, _, _ = parts.netloc.rpartition(":")
    return f"{authority}:{port + 1}"
