"""The orders that are posted: small swaps of a seed, which the pools can fill, as request bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

EXECUTE: Final = "/api/orders/execute"
BATCH: Final = "/api/orders/batch"
SLIPPAGE_BPS: Final = 1_000

_PAIRS: Final = (
    ("SOL", "USDC", 5),
    ("USDC", "SOL", 500),
    ("JUP", "USDC", 500),
    ("USDC", "JUP", 500),
    ("SOL", "RAY", 5),
    ("RAY", "USDC", 200),
)

Json = dict[str, Any]


def bodies(random: Random, count: int) -> list[Json]:
    """The bodies of so many orders."""
    return [_body(random) for _ in range(count)]


def _body(random: Random) -> Json:
    token_in, token_out, amount_max = random.choice(_PAIRS)
    return {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": f"{random.uniform(0.01, 1) * amount_max:.5f}",
        "slippageBps": SLIPPAGE_BPS,
    }


def singles(url: str, orders: Sequence[Json]) -> list[bytes]:
    """A request for each order, to the API at ``url``."""
    return [request(url, EXECUTE, order) for order in orders]


def batches(url: str, orders: Sequence[Json], size: int) -> list[bytes]:
    """Requests of up to ``size`` orders each."""
    return [
        request(url, BATCH, {"orders": orders[at : at + size]})
        for at in range(0, len(orders), size)
    ]


def request(url: str, path: str, content: Json) -> bytes:
    """One POST, as it goes over the connection."""
    body = json.dumps(content, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
