"""Graceful shutdown: first nobody new is sent here, then nothing new is accepted, then it closes.

A balancer learns from ``/readyz`` that this process stops, and only when it looks next. Until then
it sends requests here, so they are served for a while; their responses close the connection, so
that the balancer opens its next one elsewhere.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from backend.api.context import ApiContext

SOCKET_DRAIN_TIMEOUT_S: Final = 3.0
"""How long the open sockets may take to close, all together."""
REQUEST_DRAIN_TIMEOUT_S: Final = 2.0
"""How long running requests may take after that."""


async def drain(api: ApiContext, stop: asyncio.Event, force_stop: asyncio.Event) -> None:
    """Wait for ``stop``, drain, and return when the listening sockets can be closed.

    ``force_stop`` ends the time in which orders are still taken.
    """
    await stop.wait()
    api.admission.is_stopping = True
    with suppress(TimeoutError):
        async with asyncio.timeout(api.services.settings.drain_s or 0):
            await force_stop.wait()
    api.admission.is_draining = True
    with suppress(TimeoutError):
        async with asyncio.timeout(SOCKET_DRAIN_TIMEOUT_S):
            await api.open_sockets.drain()
