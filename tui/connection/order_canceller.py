"""Cancels orders, whole batches at once and others by their ids, and counts what becomes of each.

A cancellation can be repeated: an order that is cancelled already is cancelled again without any
change. So a request without an answer is sent again, and no order is counted twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable

REQUESTS_MAX: Final = 16
"""Requests at a time: the engine commits those that arrive together in one statement."""
_ATTEMPTS_MAX: Final = 4
_RETRY_S: Final = 0.5
_RETRY_MAX_S: Final = 5
_TOO_LATE_CODE: Final = "too_late"
_TEMPORARY: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(slots=True)
class CancelOutcome:
    """What became of the orders so far.

    ``too_late`` counts orders by the status in which they go on or have ended, ``may_land_until``
    is the last block height at which one that is submitted can land. ``error`` says why the rest
    was not cancelled; what was asked without an answer may be cancelled all the same.
    """

    total: int
    cancelled: int = 0
    too_late: Counter[str] = field(default_factory=Counter)
    may_land_until: int = 0
    unknown: int = 0
    unanswered: int = 0
    error: str = ""

    @property
    def rest(self) -> int:
        """How many orders the engine was not asked to cancel."""
        answered = self.cancelled + self.too_late.total() + self.unknown + self.unanswered
        return self.total - answered


async def cancel_orders(
    client: ApiClient, order_ids: Sequence[str], batch_ids: Sequence[str] = ()
) -> CancelOutcome:
    """Cancel each of the orders that can be; ``batch_ids`` are those of which they are all.

    The first refusal of this client, and an engine that does not answer, ends it.
    """
    outcome = CancelOutcome(len(order_ids))
    cancelled = await _cancel_batches(client, batch_ids)
    rest = [order_id for order_id in order_ids if order_id not in cancelled]
    outcome.cancelled = outcome.total - len(rest)
    queue = iter(rest)  # shared: each sender takes the next order
    async with asyncio.TaskGroup() as senders:
        for _ in range(min(REQUESTS_MAX, len(rest))):
            senders.create_task(_cancel_from_queue(client, queue, outcome))
    return outcome


async def _cancel_batches(client: ApiClient, batch_ids: Sequence[str]) -> set[str]:
    """Cancel what is open of some batches; returns the ids of which that is certain.

    Whatever goes wrong is met again, and told, when the rest is cancelled by the ids.
    """
    cancelled: set[str] = set()
    with suppress(RequestRefused, ServerUnreachable):
        for batch_id in batch_ids:
            order_ids, cursor = await client.cancel_batch(batch_id, None)
            cancelled.update(order_ids)
            while cursor is not None:
                order_ids, cursor = await client.cancel_batch(batch_id, cursor)
                cancelled.update(order_ids)
    return cancelled


async def _cancel_from_queue(
    client: ApiClient, queue: Iterator[str], outcome: CancelOutcome
) -> None:
    while not outcome.error and (order_id := next(queue, None)) is not None:
        try:
            await _retry_cancellation(client, order_id)
            outcome.cancelled += 1
        except RequestRefused as refusal:
            _count_refusal(outcome, refusal)
        except ServerUnreachable as error:
            outcome.unanswered += 1
            outcome.error = str(error)


async def _retry_cancellation(client: ApiClient, order_id: str) -> None:
    """Cancel an order; repeated while the answer is missing or says that it is to be repeated."""
    for _ in range(_ATTEMPTS_MAX - 1):
        try:
            await client.cancel_order(order_id)
        except ServerUnreachable:
            await asyncio.sleep(_RETRY_S)
        except RequestRefused as refusal:
            if refusal.status not in _TEMPORARY:
                raise
            await asyncio.sleep(min(refusal.retry_after_s or _RETRY_S, _RETRY_MAX_S))
        else:
            return
    await client.cancel_order(order_id)


def _count_refusal(outcome: CancelOutcome, refusal: RequestRefused) -> None:
    order = refusal.problem.get("order")
    if refusal.code == _TOO_LATE_CODE and order is not None:
        outcome.too_late[order["status"]] += 1
        outcome.may_land_until = max(outcome.may_land_until, order.get("mayLandUntil") or 0)
    elif refusal.status == HTTPStatus.NOT_FOUND:
        outcome.unknown += 1
    else:
        # A temporary error may have come after the order was cancelled.
        outcome.unanswered += refusal.status in _TEMPORARY
        outcome.error = f"the engine refuses: {refusal}"
