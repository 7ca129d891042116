"""The steps of one execution: each follows from a cause, and is stored before the next one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypedDict, Unpack
from uuid import UUID

from backend.domain.amounts import TransactionCosts
from backend.domain.groups.children import ChildOrder
from backend.domain.lifecycle import Cause, Status, Step, advance
from backend.domain.limits.measures import RouteMeasure
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.domain.times import read_creation_ms
from backend.execution.event_data import encode_json
from backend.runtime import observe, order_traces
from backend.store.journal import Journal
from backend.store.transitions import IntermediateStep, Transition
from backend.store.wallets.spending import Spend


class TransitionFields(TypedDict, total=False):
    """The fields of an order that a transition sets."""

    dex: Dex
    route: str
    signed: SignedTransaction
    amount_out: int
    executed_price: str
    costs: TransactionCosts | None
    lacks_costs: bool
    last_error: str
    wait_ms: int
    children: tuple[ChildOrder, ...]
    spend: Spend | None
    measure: RouteMeasure | None


CLAIMED_SEQ: Final = 2
"""The event of the first claim."""
FIRST_EPOCH: Final = 1


class StatusTime(NamedTuple):
    """The time that an order was in a status before the next one, by the loop's clock."""

    status: Status
    next_status: Status
    since: float
    until: float


class StepRecorder:
    """The order of one execution as its last step left it, and what stores the next one."""

    def __init__(self, journal: Journal, order: LeasedOrder, *, attempts_max: int | None) -> None:
        self.order = order
        self._journal = journal
        self._attempts_max = attempts_max
        self._deferred: tuple[LeasedOrder, IntermediateStep, TransitionFields] | None = None
        self._claimed: tuple[LeasedOrder, str] | None = None
        now = asyncio.get_running_loop().time()
        self._status_since: float | None = now
        """By the loop's clock, also where another process led it there; ``None``: unknown."""
        self._unstored_times: list[StatusTime] = []
        """Of statuses that were left by steps which are not stored yet."""
        if order.seq == CLAIMED_SEQ and order.epoch == FIRST_EPOCH:  # its row was claimed
            self._unstored_times.append(
                StatusTime(Status.PENDING, order.status, now - order.status_s, now)
            )
            self._observe_times()
        else:
            self._status_since = now - order.status_s

    @property
    def has_deferred(self) -> bool:
        """Whether the last step is not stored yet."""
        return self._deferred is not None

    def drop_deferred(self) -> None:
        """Take the deferred step back."""
        assert self._deferred is not None
        self.order, self._deferred = self._deferred[0], None
        self._status_since = self._unstored_times.pop().since

    def claim(self, terms_text: str) -> None:
        """Claim an order that nobody has claimed, in the commit of the steps that follow."""
        self._status_since = _find_creation(self.order.id)
        step = self._next_step(Cause.CLAIMED)
        self._claimed = self.order, terms_text
        self._apply_step(step, {})

    def defer(
        self, cause: Cause, data: Mapping[str, object], **fields: Unpack[TransitionFields]
    ) -> None:
        """Take a step that is stored in one commit with the next one."""
        step = self._next_step(cause)
        self._deferred = self.order, IntermediateStep(step, encode_json(data)), fields
        self._apply_step(step, fields)

    async def record(
        self, cause: Cause, data: Mapping[str, object], **fields: Unpack[TransitionFields]
    ) -> None:
        """Store the step that follows from ``cause``, with any deferred step before it.

        Raises as ``Journal.record``; then the order is as it was.
        """
        step = self._next_step(cause)
        order, via, earlier_fields = self._deferred or (self.order, None, {})
        order, claim = self._claimed or (order, None)
        merged_fields: TransitionFields = {**earlier_fields, **fields}
        await self._journal.record(
            Transition(order, step, encode_json(data), via, claim, **merged_fields)
        )
        self._deferred = self._claimed = None
        for child in fields.get("children", ()):
            order_traces.child_placed(child.id, child.parent_id)
        self._apply_step(step, fields)
        self._observe_times()

    def _next_step(self, cause: Cause) -> Step:
        order = self.order
        return advance(order.status, order.attempt, cause, attempts_max=self._attempts_max)

    def _apply_step(self, step: Step, fields: TransitionFields) -> None:
        order, spend = self.order, fields.get("spend")
        now = asyncio.get_running_loop().time()
        if self._status_since is not None:
            self._unstored_times.append(
                StatusTime(order.status, step.status, self._status_since, now)
            )
        self._status_since = now
        self.order = replace(
            order,
            status=step.status,
            seq=order.seq + 1,
            attempt=step.attempt,
            dex=fields.get("dex") or order.dex,
            signed=fields.get("signed"),
            wallet=order.wallet if spend is None else spend.wallet,
        )

    def _observe_times(self) -> None:
        """Observe the times in statuses, now that the steps are stored that left them."""
        now = asyncio.get_running_loop().time()
        for status, next_status, since, until in self._unstored_times:
            seconds, ago_s = until - since, now - until
            exemplar = order_traces.status_left(self.order.id, status, next_status, seconds, ago_s)
            observe.order_status_changed(status, seconds, exemplar)
        self._unstored_times.clear()


def _find_creation(order_id: UUID) -> float | None:
    """When an order was made, by the loop's clock; ``None`` if its id does not tell."""
    created_ms = read_creation_ms(order_id)
    if created_ms is None:
        return None
    now_s = time.time()  # noqa: TID251 - for metrics and traces alone
    age_s = max(now_s - created_ms / 1_000, 0.0)  # the clocks of two machines differ
    return asyncio.get_running_loop().time() - age_s
