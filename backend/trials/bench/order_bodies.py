"""The posted orders: small random swaps that the pools can fill, seeded, as HTTP request bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

EXECUTE_PATH: Final = "/api/orders/execute"
BATCH_PATH: Final = "/api/orders/batch"
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


def build_bodies(random: Random, count: int) -> list[Json]:
    """Build the JSON bodies of ``count`` random orders."""
    return [_build_body(random) for _ in range(count)]


def _build_body(random: Random) -> Json:
    token_in, token_out, amount_max = random.choice(_PAIRS)
    return {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": f"{random.uniform(0.01, 1) * amount_max:.5f}",
        "slippageBps": SLIPPAGE_BPS,
    }


def build_single_requests(url: str, orders: Sequence[Json], key: str = "") -> list[bytes]:
    """Build one request per order to the API at ``url``, with an API key if there are any."""
    return [build_request(url, EXECUTE_PATH, order, key) for order in orders]


def build_batch_requests(url: str, orders: Sequence[Json], size: int, key: str = "") -> list[bytes]:
    """Build batch requests of up to ``size`` orders each."""
    return [
        build_request(url, BATCH_PATH, {"orders": orders[at : at + size]}, key)
        for at in range(0, len(orders), size)
    ]


def build_request(url: str, path: str, content: Json, key: str = "") -> bytes:
    """Encode one POST request as bytes."""
    body = json.dumps(content, separators=(",", ":")).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
