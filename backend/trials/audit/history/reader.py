"""Requests that only read, each recorded in a history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from backend.domain.lifecycle import Status
from backend.trials.audit.clients import CONNECTION_ERRORS
from backend.trials.audit.history.operations import (
    Action,
    History,
    ListPage,
    Operation,
    Outcome,
    see_order,
)

TIMEOUT_S: Final = 60.0
"""Longer than any bound: that a request got no answer is to be seen."""

Json = dict[str, Any]


class HistoryReader:
    """One client that reads, by its name in the history."""

    def __init__(self, session: aiohttp.ClientSession, name: str, history: History) -> None:
        self._session = session
        self._name = name
        self._history = history

    async def read_order(self, url: str, order_id: str) -> Operation:
        """Read an order from a server; its absence is ``FAIL``."""
        operation = Operation(Action.READ, self._name, url, order_id=order_id)
        if (order := await self._get(operation, f"/api/orders/{order_id}", {})) is not None:
            operation.sightings = [see_order(order)]
        return operation

    async def list_orders(
        self, url: str, *, status: Status | None, size: int, pages: int, since: str | None = None
    ) -> bool:
        """Read some pages of a list, newest first; returns whether each had an answer."""
        params: dict[str, str | int] = {"limit": size}
        if status is not None:
            params["status"] = status
        if since is not None:
            params["from"] = since
        before = None
        for _ in range(pages):
            operation = Operation(Action.LIST, self._name, url)
            page = await self._get(operation, "/api/orders", params)
            if page is None:
                return False
            operation.sightings = [see_order(each) for each in page["orders"]]
            operation.page = ListPage(status, since or "", before, page["next"] is None)
            if page["next"] is None:
                break
            before, params["cursor"] = page["orders"][-1]["createdAt"], page["next"]
        return True

    async def count_orders(self, url: str) -> Mapping[str, int] | None:
        """Read the numbers of orders by status, ``None`` if there is no answer."""
        operation = Operation(Action.COUNT, self._name, url)
        if (stats := await self._get(operation, "/api/stats", {})) is None:
            return None
        operation.counts = {name: count for name, count in stats["byStatus"].items() if count}
        return operation.counts

    async def _get(
        self, operation: Operation, path: str, params: Mapping[str, str | int]
    ) -> Json | None:
        """Send a request; returns the body of its answer, if that is 200."""
        try:
            with self._history.record(operation):
                async with (
                    asyncio.timeout(TIMEOUT_S),
                    self._session.get(operation.server + path, params=params) as response,
                ):
                    body: Json = await response.json(content_type=None)
                    if response.status == 200:
                        operation.outcome = Outcome.OK
                        return body
                    if response.status == 404:
                        operation.outcome = Outcome.FAIL
        except (*CONNECTION_ERRORS, ValueError):  # ValueError: the page of a proxy
            pass
        return None
