"""Intake of orders: each order is stored, with its first event, before its client gets ``202``.

Orders that arrive together are stored in one statement and one commit (group commit). A request
that repeats an ``Idempotency-Key`` or a client order id gets the order of the first request.

Single orders and batches share the keys of their owner: the first order of a batch is stored with
the batch's key, so that one unique index keeps each key to one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from backend.domain.errors import EngineError, IdempotencyKeyReused, InvalidInput
from backend.domain.lifecycle import Status
from backend.domain.limits.refusals import LimitExceeded
from backend.domain.orders import AcceptedOrder, NewOrder
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.runtime.commit_notifications import EVENTS_MAX, Commit, CommitObserver
from backend.store.committed_events import WAITS, build_first_events
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import translate_errors
from backend.store.group_commit import ROWS_MAX, group_commits
from backend.store.idempotency.earlier_requests import (
    EarlierRequests,
    KeyedRequest,
    build_key_reuse_error,
    claim_key,
    find_conflict,
    find_earlier,
    remember_keys,
)
from backend.store.intake.batch_rows import (
    INSERT_BATCH,
    NewBatch,
    SettleBatch,
    name_request,
    read_batch_response,
    settle_batch,
)
from backend.store.intake.expiry_check import EXPIRY_AHEAD_MAX, find_expiry_errors
from backend.store.intake.keyed_coalescer import KeyedCoalescer
from backend.store.intake.limit_admission import (
    ADMITTED,
    INSERT_LIMITED_ORDERS,
    Admission,
    admit_batch,
    parse_admission,
    to_limit_columns,
)
from backend.store.intake.order_rows import (
    INSERT_ORDERS,
    INSERT_RARE_ORDERS,
    has_rare_terms,
    to_columns,
    to_rare_columns,
)
from backend.store.intake.refused_orders import explain_expiries, explain_missing
from backend.store.limits.known_limits import NO_LIMITS, KnownLimits

LIMITED_CALLS_MAX = 5
"""Most statements at a time that store orders of owners with limits: half of the connections."""


class Intake:
    """Stores new orders in group commits; ``run`` must be running.

    ``on_commit`` is called with each commit that stored an order. Orders of owners that have
    ``limits`` are checked, in the commit that stores them.
    """

    def __init__(
        self,
        pool: DatabasePool,
        *,
        rekick_after: timedelta,
        on_commit: CommitObserver,
        limits: KnownLimits = NO_LIMITS,
    ) -> None:
        self._limits = limits
        self._pool = pool
        self._rekick_after = rekick_after
        self._on_commit = on_commit
        self._inserts: Coalescer[NewOrder, AcceptedOrder] = group_commits(
            self._accept, "store orders"
        )
        # By owner, so that nobody waits for the lock, or the counting, of another one's limits.
        self._limited_inserts: KeyedCoalescer[NewOrder, AcceptedOrder] = KeyedCoalescer(
            self._accept, items_max=ROWS_MAX, calls_max=LIMITED_CALLS_MAX
        )

    async def run(self) -> None:
        """Store orders until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._inserts.run())
            tasks.create_task(self._limited_inserts.run())

    async def accept(self, order: NewOrder) -> AcceptedOrder:
        """Store one order, or find the order that an earlier request with the same key stored.

        Raises ``IdempotencyKeyReused`` if that request was different, ``InvalidInput`` for an
        expiry that has passed or is too far ahead, ``LimitExceeded`` for a limit of its owner, and
        ``Transient`` if PostgreSQL is unavailable; in that case the order may be stored.
        """
        try:
            if self._limits.is_limited(order.owner):
                return await self._limited_inserts.submit(order.owner, order)
            return await self._inserts.submit(order)
        except LimitExceeded as error:
            self._limits.on_refused(order.owner, error)
            raise

    async def _accept(self, orders: Sequence[NewOrder]) -> list[AcceptedOrder | Exception]:
        async def accept() -> list[AcceptedOrder | Exception]:
            async with self._pool.acquire() as connection:
                stored, admission = await self._insert(connection, orders)
                self._notify(orders, stored)
                missing = [order for order in orders if order.id not in stored]
                refused = admission.refused
                results = await explain_missing(connection, missing, refused) if missing else {}
            return [
                _build_accepted(order, stored[order.id]["created_at"], admission)
                if order.id in stored
                else results[order.id]
                for order in orders
            ]

        return await translate_errors(accept)

    async def accept_batch(
        self, new_batch: NewBatch, new_orders: Sequence[NewOrder], settle: SettleBatch | None = None
    ) -> str | None:
        """Store a batch and its orders in one transaction.

        Returns ``None`` if it was stored, or the response to an earlier request with its key. What
        is stored, and told, of orders that a limit refuses is what ``settle`` returns.
        Raises ``IdempotencyKeyReused`` if that request was different or a single order, or if the
        client order id of an order is in use, and ``InvalidInput`` for an expiry as ``accept``;
        then nothing of the batch is stored. Raises ``Transient`` if PostgreSQL is unavailable; in
        that case the whole batch may be stored.
        """

        async def accept() -> str | None:
            async with self._pool.acquire() as connection, connection.transaction():
                batch, orders = new_batch, new_orders
                if self._limits.is_limited(batch.owner):
                    admission = await admit_batch(connection, orders, self._limits.reference)
                    refused = admission.refused
                    batch, orders = await settle_batch(connection, batch, orders, refused, settle)
                    for each in refused.values():
                        self._limits.on_refused(batch.owner, each)
                if await connection.fetchval(INSERT_BATCH, *batch) is None:
                    return await read_batch_response(connection, batch)
                key = batch.idempotency_key
                if key is not None and not await claim_key(connection, name_request(batch, key)):
                    raise build_key_reuse_error()
                first = [replace(order, idempotency_key=key) for order in orders[:1]]
                named = [*first, *orders[1:]]
                stored, _ = await self._insert(connection, named, is_admitted=True)
                missing = [order for order in named if order.id not in stored]
                if missing:
                    conflict = await find_conflict(connection, missing[0])
                    if conflict is None:
                        errors = await explain_expiries(connection, missing[:1])
                        raise errors[missing[0].id]
                    raise conflict
            self._notify(named, stored)
            return None

        return await translate_errors(accept)

    async def find_batch_response(self, batch: NewBatch) -> str | None:
        """The response to an earlier request with the batch's key; raises as ``accept_batch``."""
        if batch.idempotency_key is None:
            return None

        async def find() -> str | None:
            async with self._pool.acquire() as connection:
                return await read_batch_response(connection, batch)

        return await translate_errors(find)

    async def find_existing(
        self, orders: Sequence[NewOrder]
    ) -> dict[UUID, AcceptedOrder | IdempotencyKeyReused]:
        """The orders whose client order id an earlier request used, with the result for each."""

        async def find() -> EarlierRequests:
            async with self._pool.acquire() as connection:
                return await find_earlier(connection, orders)

        earlier = await translate_errors(find)
        results = {
            order.id: earlier.resolve(order)
            for order in orders
            if earlier.has_client_order_id(order)
        }
        return {order_id: result for order_id, result in results.items() if result is not None}

    async def find_earlier(self, order: NewOrder) -> AcceptedOrder | None:
        """The order that an earlier request with a key of this one has stored, if there is one.

        Raises as ``accept``.
        """

        async def find() -> EarlierRequests:
            async with self._pool.acquire() as connection:
                return await find_earlier(connection, [order])

        earlier = (await translate_errors(find)).resolve(order)
        if isinstance(earlier, IdempotencyKeyReused):
            raise earlier
        return earlier

    async def find_expiry_errors(self, orders: Sequence[NewOrder]) -> dict[UUID, InvalidInput]:
        """The orders whose expiry has passed or is too far ahead, with the error of each."""

        async def find() -> dict[UUID, InvalidInput]:
            async with self._pool.acquire() as connection:
                return await find_expiry_errors(connection, orders)

        return await translate_errors(find)

    async def remember_batch(self, batch: NewBatch) -> None:
        """Remember the key of a batch that stores nothing, as all its orders are repeats.

        Raises ``IdempotencyKeyReused`` if the key is that of another request, and ``Transient`` if
        others are using it or PostgreSQL is unavailable.
        """
        key = batch.idempotency_key
        if key is None:
            return

        async def remember() -> dict[KeyedRequest, EngineError]:
            async with self._pool.acquire() as connection:
                return await remember_keys(connection, [name_request(batch, key)])

        for error in (await translate_errors(remember)).values():
            raise error

    async def _insert(
        self,
        connection: DatabaseConnection,
        orders: Sequence[NewOrder],
        *,
        is_admitted: bool = False,
    ) -> tuple[dict[UUID, asyncpg.Record], Admission]:
        is_limited = not is_admitted and any(self._limits.is_limited(o.owner) for o in orders)
        has_rare = is_limited or any(map(has_rare_terms, orders))
        statement = INSERT_RARE_ORDERS if has_rare else INSERT_ORDERS
        rows = await connection.fetch(
            INSERT_LIMITED_ORDERS if is_limited else statement,
            *to_columns(orders),
            self._rekick_after,
            EXPIRY_AHEAD_MAX,
            WAITS.status.value,
            *(to_rare_columns(orders) if has_rare else ()),
            *(to_limit_columns(orders, self._limits.reference) if is_limited else ()),
        )
        stored = {row["id"]: row for row in rows if row["txid"] is not None}
        observe.orders_stored(len(stored))
        return stored, parse_admission(rows, self._limits.reference) if is_limited else ADMITTED

    def _notify(self, orders: Sequence[NewOrder], stored: Mapping[UUID, asyncpg.Record]) -> None:
        if not stored:
            return
        events = None
        if len(stored) <= EVENTS_MAX:
            accepted = [order for order in orders if order.id in stored]
            events = [each for o in accepted for each in build_first_events(o, stored[o.id])]
        txid, begins_wait = next(iter(stored.values()))["txid"], any(o.waits for o in orders)
        self._on_commit(Commit(txid, events, begins_wait))


def _build_accepted(order: NewOrder, created_at: datetime, admission: Admission) -> AcceptedOrder:
    status = WAITS.status if order.waits else Status.PENDING
    rate = admission.rates.get(order.id)
    return AcceptedOrder(order.id, created_at, status=status, rate=rate)
