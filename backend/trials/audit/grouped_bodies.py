"""Orders that belong together, as trials draw them: pairs of which one is executed."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from random import Random
from typing import Any

from backend.domain.times import format_time

Json = dict[str, Any]


class PairBuilder:
    """Draws the legs of OCO pairs, one after the other: a limit, then the stop beside it.

    Some pairs are drawn so that the market meets both legs in the same slot.
    """

    def __init__(self, expires_at: datetime) -> None:
        self._expiry = {"timeInForce": "gtd", "expiresAt": format_time(expires_at)}
        self._numbers = count()

    def build(self, random: Random) -> Json:
        """Draw the next leg."""
        number = next(self._numbers)
        body = {
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amount": f"{random.uniform(0.001, 20):.5f}",
            "ocoGroup": f"pair-{number // 2}",
            **self._expiry,
        }
        if number % 2 == 0:
            return {**body, "type": "limit", "limitPrice": f"{random.uniform(97, 106):.3f}"}
        trigger = f"{random.uniform(94, 103):.3f}"
        return {**body, "type": "stop", "triggerPrice": trigger, "confirmations": 1}
