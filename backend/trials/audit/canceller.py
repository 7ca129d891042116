"""Clients that cancel what others place, through several API processes, and note each answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

import aiohttp

from backend.domain.amounts import Token
from backend.domain.tokens import BONK, RAY
from backend.trials.audit.clients import (
    CONNECTION_ERRORS,
    POST_TIMEOUT_S,
    RETRY_S,
    ClientObservations,
    Json,
)
from backend.trials.audit.history.operations import Action, Operation, Sighting, see_order
from backend.trials.audit.records import CancelAnswer

ORDERS_PATH: Final = "/api/orders"
DELAYS_MAX_S: Final = (0.0, 0.1, 0.4)
"""An order is cancelled within one of these times: at once, while it is routed, or at any time."""
SEVERAL_SHARE: Final = 0.3
"""The share of cancelled orders that each API process is asked to cancel, at the same time."""
REPEATED_SHARE: Final = 0.2
"""The share of cancellations that are sent again although they had an answer."""
_SWEPT_TOKENS: Final = (BONK, RAY)
_PAGE: Final = "20"


class OrderCanceller:
    """Cancels a share of the orders that it is told of, through the API processes at ``urls``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        share: float,
        random: Random,
        observed: ClientObservations,
    ) -> None:
        self._session = session
        self._urls = urls
        self._share = share
        self._random = random
        self._observed = observed

    async def maybe_cancel(self, order_id: str) -> None:
        """Cancel an order soon, or leave it; returns when each request has its answer."""
        if self._random.random() >= self._share:
            return
        self._observed.cancels.order_ids.add(order_id)
        delay_s = self._random.uniform(0, self._random.choice(DELAYS_MAX_S))
        is_several = self._random.random() < SEVERAL_SHARE
        urls = self._urls if is_several else [self._random.choice(self._urls)]
        times = 2 if self._random.random() < REPEATED_SHARE else 1
        await asyncio.sleep(delay_s)
        for _ in range(times):
            async with asyncio.TaskGroup() as group:
                for url in urls:
                    group.create_task(self._cancel(url, order_id))

    async def cancel_by_token(self, times: int, duration_s: float) -> None:
        """Cancel all open orders that sell one of two tokens, some times over a duration."""
        for n in range(times):
            await asyncio.sleep(duration_s / times)
            await self.cancel_sales(_SWEPT_TOKENS[n % len(_SWEPT_TOKENS)])

    async def cancel_sales(self, token: Token) -> None:
        """Cancel all open orders that sell a token."""
        self._observed.cancels.mints_in.add(token.mint)
        await self._cancel_pages(self._random.choice(self._urls), token.symbol)

    async def _cancel_pages(self, url: str, symbol: str) -> None:
        answers = self._observed.cancels.answers
        params: Json | None = {"tokenIn": symbol, "limit": _PAGE}
        while params is not None:
            reply = await self._delete(url, ORDERS_PATH, params)
            answers += [
                CancelAnswer(each, is_cancelled=True) for each in reply.get("cancelled", ())
            ]
            answers += [CancelAnswer(each, is_cancelled=False) for each in reply.get("tooLate", ())]
            cursor = reply.get("next")
            params = None if cursor is None else {**params, "cursor": cursor}

    async def _cancel(self, url: str, order_id: str) -> None:
        reply = await self._delete(url, f"{ORDERS_PATH}/{order_id}", {})
        order = reply.get("order", reply)
        if "orderId" not in order:
            return
        is_cancelled = reply is order
        self._observed.cancels.answers.append(
            CancelAnswer(order_id, is_cancelled, order["seq"], order["status"], order["txHash"])
        )

    async def _delete(self, url: str, path: str, params: Json) -> Json:
        """Repeat a request until it has an answer: 200, or 409 ``too_late``; else a rejection."""
        while True:
            wait_s = RETRY_S
            operation = Operation(Action.CANCEL, "a canceller", url)
            try:
                with self._observed.history.record(operation):
                    async with (
                        asyncio.timeout(POST_TIMEOUT_S),
                        self._session.delete(url + path, params=params) as response,
                    ):
                        reply: Json = await response.json(content_type=None)
                    if response.status in {200, 409}:
                        operation.complete(*_see_ended(reply))
                        return reply
                if response.status in {429, 503}:
                    wait_s = float(response.headers["Retry-After"])
                elif response.status < 500:
                    self._observed.rejections.append(json.dumps(reply))
                    return {}
                else:
                    self._observed.errors += 1
            except CONNECTION_ERRORS:
                self._observed.errors += 1
            await asyncio.sleep(wait_s)


def _see_ended(reply: Json) -> Iterator[Sighting]:
    """The order that an answer to the cancellation of one shows."""
    order = reply.get("order", reply)
    if "orderId" in order:
        yield see_order(order)
