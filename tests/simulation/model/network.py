"""The network between simulated processes and servers: lost and late requests and responses.

A request is served independently of its sender, so also when that was killed, timed out or is
paused; a request whose response is lost was served all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TypeVar

Response = TypeVar("Response")

LATE_SERVICE_MAX_S = 8.0
"""How long after its sender's timeout a request may still be served."""


@dataclass(slots=True)
class NetworkFaults:
    """How a server can be reached. The three chances add up to at most 1.

    A request may be lost; its response may be lost; or it may be served late, after its sender's
    timeout, unless late requests have ended by then.
    """

    latency_max_s: float = 0.02
    is_down: bool = False
    loss_chance: float = 0.0
    response_loss_chance: float = 0.0
    late_chance: float = 0.0
    is_closed: bool = False


class _Delivery(Enum):
    """What becomes of one request."""

    COMPLETE = 0
    REQUEST_LOST = 1
    RESPONSE_LOST = 2
    LATE = 3


class NetworkPath:
    """The path to one server.

    ``make_error`` creates the error of a request without a response, raised after a random timeout
    of at most ``timeout_max_s``.
    """

    def __init__(
        self,
        faults: NetworkFaults,
        random: Random,
        make_error: Callable[[], Exception],
        *,
        timeout_max_s: float,
    ) -> None:
        self.faults = faults
        self._random = random
        self._make_error = make_error
        self._timeout_max_s = timeout_max_s

    async def request(self, serve: Callable[[], Response]) -> Response:
        """Return or raise what ``serve`` does at the server, or raise an error on a timeout."""
        if self.faults.is_closed:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        response: asyncio.Future[Response] = loop.create_future()
        random, faults = self._random, self.faults
        delivery = self._draw_delivery()
        arrival_s = random.uniform(0.0005, faults.latency_max_s)
        if faults.is_down:
            self._call_later(arrival_s, _set_error, response, self._make_error())
            return await response
        timeout_s = arrival_s + random.uniform(0, self._timeout_max_s)
        if delivery is not _Delivery.COMPLETE:
            self._call_later(timeout_s, _set_error, response, self._make_error())
        if delivery is _Delivery.LATE:
            arrival_s = timeout_s + random.uniform(0, LATE_SERVICE_MAX_S)
        if delivery is not _Delivery.REQUEST_LOST:
            future = response if delivery is _Delivery.COMPLETE else None
            self._call_later(arrival_s, self._serve, serve, future, delivery)
        return await response

    def _draw_delivery(self) -> _Delivery:
        faults = self.faults
        chance = self._random.random()
        for delivery, share in (
            (_Delivery.REQUEST_LOST, faults.loss_chance),
            (_Delivery.RESPONSE_LOST, faults.response_loss_chance),
            (_Delivery.LATE, faults.late_chance),
        ):
            chance -= share
            if chance < 0:
                return delivery
        return _Delivery.COMPLETE

    def _serve(
        self,
        serve: Callable[[], Response],
        future: asyncio.Future[Response] | None,
        delivery: _Delivery,
    ) -> None:
        if self.faults.is_down or (delivery is _Delivery.LATE and not self.faults.late_chance):
            if future is not None:
                _set_error(future, self._make_error())
            return
        return_s = self._random.uniform(0.0005, self.faults.latency_max_s)
        try:
            response = serve()
        except AssertionError:
            raise  # the model is wrong
        except Exception as error:  # noqa: BLE001 - it is the server's response
            if future is not None:
                self._call_later(return_s, _set_error, future, error)
            return
        if future is not None:
            self._call_later(return_s, _set_result, future, response)

    def _call_later(self, seconds: float, callback: Callable[..., None], *args: object) -> None:
        # In a context of its own: a message in flight belongs to no process.
        asyncio.get_running_loop().call_later(seconds, callback, *args, context=Context())


def _set_result(future: asyncio.Future[Response], response: Response) -> None:
    if not future.done():
        future.set_result(response)


def _set_error(future: asyncio.Future[Response], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
