"""The executor: takes each order from its current status to a final one.

The sequence for an order without failures:

1. claim: a compare-and-set takes the lease (``pending → routing``); that of an order whose job
   tells its terms shares the commit of the next two steps;
2. route: quote both venues, choose the best, check the minimum and the wallet (``→ building``);
3. build: create and sign the transaction, and store it (``→ submitted``): in one commit with the
   route, unless a preflight simulates the unsigned transaction in between;
4. send it, poll its signature, read the fill from the chain (``→ confirmed``).

A failed attempt is stored with the time of the next one, and the lease is released; the worker
that claims the order then continues. While the node is unavailable and nothing is signed, the
order waits in place, which is no attempt. An order that is claimed half-way continues where
``choose_recovery`` says. Every write carries the epoch of the claim: when another worker has
claimed the order since, ``LeaseLost`` ends the execution. An order whose expiry has passed is not
submitted any more; one that has a single attempt ends when that has not filled it. One that waited
for a limit price waits for it again whenever that cannot be had; one that a stop has released to
the market is tried until it is filled. One that a trading state holds goes back as it is: nobody
claims it until that has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from backend.domain.errors import RetryLater
from backend.domain.orders import LeasedOrder
from backend.domain.terms_text import parse_terms_text
from backend.domain.tokens import TokenRegistry
from backend.execution.claims.lease_renewer import LeaseRenewer
from backend.execution.claims.signed_claim import SignedClaim, claim_signed
from backend.execution.context import Checkpoint, ExecutionContext
from backend.execution.order_execution import OrderExecution
from backend.execution.unsent_limiter import UnsentLimiter
from backend.runtime import observe
from backend.store.errors import DATABASE_ERRORS, report_unavailable
from backend.store.trading import observe_trading
from backend.store.trading.held_orders import OrderHeld
from backend.store.transitions import LeaseLost

CLAIM_RETRY_S = 1.0


class Executor:
    """Executes any number of orders concurrently."""

    def __init__(
        self,
        renewer: LeaseRenewer,
        context: ExecutionContext,
        unsent_limiter: UnsentLimiter,
        tokens: TokenRegistry,
    ) -> None:
        self._tokens = tokens
        self._renewer = renewer
        self._context = context
        self._unsent_limiter = unsent_limiter

    async def run(self, order_id: str, terms_text: str | None = None) -> None:
        """Execute an order to its end or its next retry; do nothing if it cannot be claimed.

        ``terms_text`` are the terms that its job tells (``domain.terms_text``). Raises
        ``RetryLater`` if an attempt failed and another one is due later, or if PostgreSQL is
        unavailable for the claim.
        """
        observe.bind_order_id(order_id)
        with self._unsent_limiter.count_order() as place:
            claim = await self._claim_signed(order_id, terms_text)
            order = await self._claim(order_id) if claim is None else claim.order
            if order is None:
                return
            try:
                with self._renewer.keep_lease(order) as lease:
                    self._context.on_checkpoint(Checkpoint.CLAIMED)
                    await OrderExecution(self._context, order, lease, place).run(claim)
            except LeaseLost:
                observe.lease_lost()
            except OrderHeld:
                observe_trading.order_held()
                await self._renewer.release_held(order)

    async def _claim_signed(self, order_id: str, terms_text: str | None) -> SignedClaim | None:
        if terms_text is None:
            return None
        order = parse_terms_text(UUID(order_id), terms_text, self._tokens)
        if order is None:
            return None
        return await claim_signed(self._context, self._renewer, order, terms_text)

    async def claim_waiting(self, places: Mapping[str, int]) -> Sequence[tuple[str, UUID]] | None:
        """Claim up to so many of the oldest orders of each owner that no worker executes.

        Returns owners and ids. ``run`` must follow for each at once. ``None`` if PostgreSQL is
        unavailable.
        """
        try:
            return await self._renewer.claim_waiting(places)
        except DATABASE_ERRORS as error:
            report_unavailable(error)
            return None

    async def _claim(self, order_id: str) -> LeasedOrder | None:
        try:
            return await self._renewer.claim(UUID(order_id))
        except DATABASE_ERRORS as error:
            report_unavailable(error)
            raise RetryLater(CLAIM_RETRY_S) from None
