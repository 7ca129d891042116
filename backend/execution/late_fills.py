"""Asks, in the background, for the fills of orders that were confirmed without their amount."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from random import Random
from typing import Protocol

from backend.chain.outcomes import Fill
from backend.domain.groups.children import build_children
from backend.execution.event_data import compute_price
from backend.execution.submission import TransactionSubmitter
from backend.runtime import observe, order_traces
from backend.store.late_amounts import LateAmount, UnknownAmount

INTERVAL_S = 2.0
BATCH_MAX = 100


class UnknownAmounts(Protocol):
    """The store of confirmed orders without an amount."""

    async def take_due(self, limit: int) -> Sequence[UnknownAmount]:
        """Orders that are due to be asked for."""
        ...

    async def store(self, amounts: Sequence[LateAmount]) -> None:
        """Store amounts."""
        ...


async def run_late_fills(
    orders: UnknownAmounts, submitter: TransactionSubmitter, *, random: Random
) -> None:
    """Look for due orders every ``INTERVAL_S``, with 10 % of jitter, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_S * random.uniform(0.9, 1.1))
        try:
            if due := await orders.take_due(BATCH_MAX):
                await _ask(orders, submitter, due)
        except Exception as error:  # noqa: BLE001 - the next round may succeed after any error
            observe.late_fills_failed(error)


async def _ask(
    orders: UnknownAmounts, submitter: TransactionSubmitter, due: Sequence[UnknownAmount]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        reads = [
            tasks.create_task(submitter.try_fetch_fill(order.signature, order.terms, order.wallet))
            for order in due
        ]
    amounts = []
    for order, read in zip(due, reads, strict=True):
        if (fill := read.result()) is not None:
            amounts.append(_build_amount(order, fill))
    if amounts:
        await orders.store(amounts)
        for child in chain.from_iterable(each.children for each in amounts):
            order_traces.child_placed(child.id, child.parent_id)
    observe.late_fills_asked(len(due), len(amounts))


def _build_amount(order: UnknownAmount, fill: Fill) -> LateAmount:
    children = build_children(order.order_id, order.terms, order.bracket, fill.amount_out)
    price = compute_price(order.terms, fill.amount_out)
    return LateAmount(order.order_id, fill.amount_out, price, fill.costs, children)
