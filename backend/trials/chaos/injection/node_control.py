"""The control interface of the simulated node: its faults, its chain and its prices."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Final

import aiohttp

from backend.domain.amounts import BPS
from backend.trials.chaos.system import EngineSystem

_SWING_S: Final = 0.5
_SWING_BPS: Final = 50
_SWING_MAX_BPS: Final = 800


class FaultNotApplied(Exception):
    """A fault did not take effect."""


async def send_control(
    system: EngineSystem, path: str, body: object = None, *, method: str = "POST"
) -> dict[str, object]:
    """Send a control request to the simulated node. Raises ``FaultNotApplied`` if it fails."""
    url = f"{system.chain_url}/control/{path}"
    async with aiohttp.request(method, url, json=body) as response:
        reply: dict[str, object] = await response.json()
        if response.status != 200:
            raise FaultNotApplied(str(reply))
        return reply


class SwingingPrice:
    """The price of SOL, at a level in basis points above or below where it was."""

    def __init__(self, system: EngineSystem) -> None:
        self._system = system
        self._level_bps = 0

    async def swing(self) -> None:
        """Move it up and down, further each time, until cancelled."""
        for n in count(1):
            await asyncio.sleep(_SWING_S)
            await self.move_to(min(n * _SWING_BPS, _SWING_MAX_BPS) * (1 if n % 2 else -1))

    async def move_to(self, level_bps: int) -> None:
        """Move it to a level."""
        factor = (BPS + level_bps) / (BPS + self._level_bps)
        body = {"pair": ["SOL", "USDC"], "bps": round((factor - 1) * BPS)}
        await send_control(self._system, "price", body)
        self._level_bps = level_bps
