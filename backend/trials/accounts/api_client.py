"""Reads lists of an engine's API to their ends, and waits until nothing is open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.trials.audit.clients import CONNECTION_ERRORS

POLL_S: Final = 0.2
BATCH: Final = 500

Json = dict[str, Any]


async def place_all(session: aiohttp.ClientSession, bodies: Sequence[Json]) -> None:
    """Place orders in batches. Raises ``Transient`` if one of them is refused."""
    for at in range(0, len(bodies), BATCH):
        body = {"orders": bodies[at : at + BATCH]}
        async with session.post("/api/orders/batch", json=body) as response:
            answer = await response.json()
        refused = [each for each in answer["orders"] if "orderId" not in each]
        if refused:
            raise Transient("order_refused", str(refused[0]))


async def read_all(
    session: aiohttp.ClientSession, path: str, name: str, query: Mapping[str, str]
) -> list[Json]:
    """All entries of a list, page by page."""
    found: list[Json] = []
    asked = {"limit": "1000", **query}
    while True:
        page = await read(session, path, asked)
        found += page[name]
        if page["next"] is None:
            return found
        asked["cursor"] = page["next"]


async def read(
    session: aiohttp.ClientSession, path: str, query: Mapping[str, str] | None = None
) -> Json:
    """One answer, asked for again while the engine is not ready to give it."""
    while True:
        async with session.get(path, params=query) as response:
            if response.status == 503:
                await asyncio.sleep(POLL_S)
                continue
            answer: Json = await response.json()
            if response.status != 200:
                raise Transient("refused", str(answer))
            return answer


async def wait_settled(session: aiohttp.ClientSession, timeout_s: float) -> None:
    """Wait until no order is in execution, and then cancel all that wait.

    Raises ``Transient`` if that takes longer.
    """
    counts: Mapping[str, int] = {}
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    counts = (await read(session, "/api/stats"))["byStatus"]
                except CONNECTION_ERRORS:
                    counts = {}
                busy = [n for status, n in counts.items() if _is_busy(Status(status))]
                if counts and not any(busy):
                    if not counts[Status.WAITING]:
                        return
                    await _cancel_waiting(session)
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise Transient(
            "orders_open", f"orders are open after {timeout_s:.0f} s: {counts}"
        ) from None


def _is_busy(status: Status) -> bool:
    return not status.is_final and status is not Status.WAITING


async def _cancel_waiting(session: aiohttp.ClientSession) -> None:
    async with session.delete("/api/orders", params={"status": "waiting"}) as response:
        await response.read()
