"""Orders that are executed in slices, as trials draw them."""

from __future__ import annotations

from random import Random
from typing import Any, Final

Json = dict[str, Any]

SLICES: Final = 4
INTERVAL_S: Final = 1


def build_sliced_body(random: Random) -> Json:
    """Draw an order that is executed in slices, a second apart."""
    return {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": f"{random.uniform(0.01, 20):.9f}",
        "slippageBps": 300,
        "type": "twap",
        "slices": SLICES,
        "intervalS": INTERVAL_S,
    }
