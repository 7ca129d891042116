"""The client of a trace: posts one order, waits for its last event on the stream, and so on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

import aiohttp

from backend.domain.errors import Rejected
from backend.domain.lifecycle import Status
from backend.runtime.trace import TraceEntry
from backend.trials.bench.listeners import RECEIVE_TIMEOUT_S
from backend.trials.bench.load_client import LoadClient, PostResults
from backend.trials.bench.tracing.waterfall import CLIENT, OrderWindow

PAUSE_S: Final = 0.04
"""Rest between two orders: as at 25 orders a second."""


class TraceClient:
    """Posts orders one at a time; notes when each was posted, answered, and what arrived when."""

    def __init__(self, client: LoadClient, stream: aiohttp.ClientWebSocketResponse) -> None:
        self._client = client
        self._stream = stream
        self.windows: list[OrderWindow] = []
        self.entries: list[TraceEntry] = []

    async def post_each(self, requests: Sequence[bytes]) -> PostResults:
        """Post the orders. Raises ``Rejected`` if one does not end or its event does not arrive."""
        results = PostResults(asyncio.get_running_loop().time())
        for request in requests:
            posted_s = monotonic()
            async with asyncio.TaskGroup() as group:
                answer = group.create_task(self._post(request, posted_s))
                ended_s = await self._receive_events()
            self.windows.append(OrderWindow(posted_s, ended_s))
            answered = answer.result()
            results.delays_s.extend(answered.delays_s)
            results.due_at_s.update(answered.due_at_s)
            await asyncio.sleep(PAUSE_S)
        return results

    async def _post(self, request: bytes, posted_s: float) -> PostResults:
        results = await self._client.post([request])
        self.entries.append(TraceEntry(CLIENT, "POST", posted_s, monotonic()))
        return results

    async def _receive_events(self) -> float:
        """Receive the frames of the order until its last event, and return when that came."""
        while True:
            message = await self._stream.receive(timeout=RECEIVE_TIMEOUT_S)
            received_s = monotonic()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Rejected("stream_ended", f"the stream was closed with {message.data}")
            frame: Any = json.loads(message.data)
            for event in frame if isinstance(frame, list) else ():
                status = Status(event["status"])
                what = f"receives {status.value}"
                self.entries.append(TraceEntry(CLIENT, what, received_s, received_s))
                if status.is_final:
                    return received_s
