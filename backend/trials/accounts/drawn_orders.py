"""Orders of all kinds that leave fills, as the trial of fills and positions draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any, Final

from backend.trials.audit.clients import build_order_body
from backend.trials.audit.sliced_bodies import build_sliced_body

Json = dict[str, Any]

TWAP_EVERY: Final = 100
"""One order in so many is a TWAP order, which leaves several fills."""


class OrderDrawer:
    """Draws the bodies of orders."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._numbers = count()

    def draw(self) -> Json:
        """Draw the next body."""
        number = next(self._numbers)
        if number % TWAP_EVERY == 0:
            return build_sliced_body(self._random)
        return self._random.choice(_KINDS)(self._random)


def _draw_limit(random: Random) -> Json:
    return {
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": f"{random.uniform(0.01, 5):.6f}",
        "type": "limit",
        "limitPrice": f"{random.uniform(80, 101):.3f}",
    }


def _draw_bracket(random: Random) -> Json:
    """A purchase whose stop is met at once, so that it is sold again."""
    return {
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "amount": f"{random.uniform(1, 200):.4f}",
        "slippageBps": 300,
        "bracket": {
            "takeProfit": {"triggerPrice": "300"},
            "stop": {"triggerPrice": f"{random.uniform(150, 200):.2f}", "confirmations": 1},
        },
    }


def _draw_hops(random: Random) -> Json:
    token_in, token_out, amount_max = random.choice((("JUP", "RAY", 900), ("RAY", "BONK", 500)))
    return {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": f"{random.uniform(0.01, 1) * amount_max:.4f}",
        "slippageBps": 500,
        "maxHops": 2,
    }


_KINDS: Final[Sequence[Callable[[Random], Json]]] = (
    *([build_order_body] * 6),
    _draw_limit,
    _draw_bracket,
    _draw_hops,
)
