"""The client that behaves: it places orders at a fixed rate, and counts what goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from backend.trials.attack.system import KEY

ORDER: Final = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01"}
NEW_CONNECTION_EVERY: Final = 10
"""Each so many orders one comes on a connection of its own."""
TIMEOUT_S: Final = 30.0


@dataclass(slots=True)
class ClientFigures:
    """What a client saw: delays in seconds, counted from when an order was due, and errors."""

    delays_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def compute_quantile_s(self, quantile: float) -> float:
        """A quantile of the delays."""
        ordered = sorted(self.delays_s)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0


async def place_orders(url: str, rate: float, seconds: float) -> ClientFigures:
    """Place orders at ``rate`` a second for so long; return when all are answered."""
    figures = ClientFigures()
    loop = asyncio.get_running_loop()

    async def place(session: aiohttp.ClientSession, number: int, due: float) -> None:
        headers = {} if number % NEW_CONNECTION_EVERY else {"Connection": "close"}
        try:
            async with session.post("/api/orders/execute", json=ORDER, headers=headers) as response:
                text = await response.text()
                if response.status != 202:
                    figures.errors.append(f"status {response.status}: {text[:200]}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            figures.errors.append(f"{type(error).__name__}: {error}")
        figures.delays_s.append(loop.time() - due)

    async with (
        aiohttp.ClientSession(
            url,
            headers={"X-API-Key": KEY},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(TIMEOUT_S),
        ) as session,
        asyncio.TaskGroup() as group,
    ):
        started = loop.time()
        for number in range(int(rate * seconds)):
            due = started + number / rate
            await asyncio.sleep(max(0, due - loop.time()))
            group.create_task(place(session, number, due))
    return figures
