"""A WebSocket of a simulated node, as a client of Solana's PubSub API uses it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from backend.config import Profile
from backend.simulator.options import SimulatorOptions
from tests.integration.simulator_client import SimulatorClient, open_simulator

FAST = SimulatorOptions(profile=Profile.INSTANT, slot_s=0.02)
DEEP = SimulatorOptions(profile=Profile.INSTANT, slot_s=0.05, confirmed_slots=2, finalized_slots=4)
TIMEOUT_S = 60


@dataclass
class Socket:
    """A WebSocket of the node."""

    socket: aiohttp.ClientWebSocketResponse
    notifications: list[Any] = field(default_factory=list)
    last_id: int = 0

    async def call(self, method: str, *params: object) -> Any:
        """The response to a request; notifications that come before it are kept."""
        self.last_id += 1
        call = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": list(params)}
        await self.socket.send_str(json.dumps(call))
        while True:
            message = await self.receive()
            if message.get("id") == self.last_id:
                return message
            self.notifications.append(message)

    async def subscribe(self, method: str, *params: object) -> int:
        number: int = (await self.call(method, *params))["result"]
        return number

    async def receive(self) -> Any:
        return await self.socket.receive_json(timeout=TIMEOUT_S)

    async def await_notification(self, number: int) -> Any:
        """The next notification of a subscription."""
        while True:
            message = self.notifications.pop(0) if self.notifications else await self.receive()
            if message["params"]["subscription"] == number:
                return message


@asynccontextmanager
async def open_socket(
    data_dir: Path, options: SimulatorOptions = FAST
) -> AsyncIterator[tuple[SimulatorClient, Socket]]:
    async with open_simulator(data_dir, options) as node, node.http.ws_connect("/") as socket:
        yield node, Socket(socket)
