"""The execution of one claimed order, from its current status to its end or its next retry.

``executor.py`` has the sequence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Unpack

from backend.chain.signing.signer import SIGNER_UNAVAILABLE
from backend.domain.errors import EngineError, Rejected, RetryLater, Transient, Unavailable
from backend.domain.groups.children import build_children
from backend.domain.lifecycle import (
    Cause,
    RecoveryAction,
    SignatureOutcome,
    Status,
    advance,
    choose_recovery,
)
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.execution.claims.lease_renewer import HeldLease
from backend.execution.claims.signed_claim import SignedClaim
from backend.execution.confirmation.signature_search import SignatureResult
from backend.execution.context import Checkpoint, ExecutionContext
from backend.execution.event_data import (
    INTERRUPTED,
    QUOTES_TOO_OLD,
    compute_price,
    describe_failure,
    describe_fill,
    describe_unfilled,
    describe_unknown_fill,
    encode_json,
)
from backend.execution.fill_reader import Revert
from backend.execution.outage import QUOTE_WAIT_MAX_S, OutageTooLong, OutageWait
from backend.execution.refused_terms import is_unmet_now, may_be_met_later
from backend.execution.step_recorder import StepRecorder, TransitionFields
from backend.execution.unsent_limiter import UnsentPlace
from backend.execution.wallet.payment import Payment
from backend.routing.route import Route
from backend.runtime import observe
from backend.store.trading.held_orders import OrderHeld
from backend.store.transitions import LeaseLost
from backend.store.withdrawals.expired_submissions import OrderExpired
from backend.store.withdrawals.expiries import EXPIRED_CODE, EXPIRED_DATA


class OrderExecution:
    """The execution of one claimed order, until it ends or its lease is released."""

    def __init__(
        self, context: ExecutionContext, order: LeasedOrder, lease: HeldLease, place: UnsentPlace
    ) -> None:
        self._context = context
        attempts_max = None if order.is_latched else context.policy.attempts_max
        self._steps = StepRecorder(context.journal, order, attempts_max=attempts_max)
        self._lease = lease
        self._place = place
        self._payment = Payment(context.wallets, context.measurer, order, place)
        self._outage: OutageWait | None = None
        self._route: Route | None = None
        self._revert: Revert | None = None  # for the step that follows it, which is the last one

    @property
    def _order(self) -> LeasedOrder:
        return self._steps.order

    async def run(self, claim: SignedClaim | None = None) -> None:
        """Execute the order, after its ``claim``, to its end or its next retry (``RetryLater``)."""
        try:
            if claim is not None:
                self._route = claim.route
                await self._submit(claim.signed)
            elif self._order.status is Status.SUBMITTED:
                await self._resume()
            else:
                await self._execute()
        except (LeaseLost, OrderHeld, RetryLater):
            raise
        except Exception as error:  # noqa: BLE001 - each kind has its reaction
            await self._end_attempt(error)

    async def _end_attempt(self, error: Exception) -> None:
        """Store what follows from an error of this attempt."""
        match error:
            case OrderExpired():
                await self._expire()
            case OutageTooLong() if not self._order.has_waited:
                await self._fail(Cause.OUTAGE, error)
            case Rejected():
                await self._reject(error)
            case Transient() | OutageTooLong():
                await self._retry(Cause.TRANSIENT, error)
            case _ if self._order.status is Status.SUBMITTED:
                # Once the transaction may have been sent, only the chain decides: repeat the job.
                raise error
            case _:
                observe.job_failed(error)
                failure = Transient("internal_error", f"an unexpected {type(error).__name__}")
                await self._retry(Cause.TRANSIENT, failure)

    async def _execute(self) -> None:
        if choose_recovery(self._order.status) is RecoveryAction.ROUTE_AGAIN:
            await self._steps.record(Cause.INTERRUPTED, INTERRUPTED)
        signed = None
        while signed is None:
            route = await self._find_route()
            self._context.on_checkpoint(Checkpoint.QUOTED)
            data = route.to_json(self._order.terms)
            route_fields: TransitionFields = {"dex": route.quote.dex, "route": encode_json(data)}
            if self._context.submitter.has_preflight:
                await self._steps.record(Cause.ROUTED, data, **route_fields)
            else:  # it is signed at once, so both steps share one commit
                self._steps.defer(Cause.ROUTED, data, **route_fields)
            signed = await self._sign(route)
            signed = signed and await self._store(signed, route)
        self._lease.waiting_since = None
        await self._submit(signed)

    async def _submit(self, signed: SignedTransaction) -> None:
        self._context.on_checkpoint(Checkpoint.STORED)
        with self._context.wallets.count(self._order):
            await self._context.submitter.send(signed)
            self._place.give_back()
            self._context.on_checkpoint(Checkpoint.SENT)
            await self._finish(signed, await self._context.submitter.await_outcome(signed))

    async def _find_route(self) -> Route:
        while True:
            try:
                self._route = await self._context.router.route(self._order.terms)
                await self._payment.choose_wallet(self._order, self._route)
            except Unavailable as error:
                await self._wait_out(error, error.code)
            else:
                self._place.take()
                return self._route

    async def _sign(self, route: Route) -> SignedTransaction | None:
        order, started_at = self._order, asyncio.get_running_loop().time()
        while True:
            try:
                signed = await self._context.submitter.sign(order, route, self._payment.funds)
            except Unavailable as error:
                is_signer = error.code == SIGNER_UNAVAILABLE
                await self._wait_out(error, error.code if is_signer else "node_unavailable")
                continue
            self._place.take()
            waited_s = asyncio.get_running_loop().time() - started_at
            if self._outage is None or waited_s < QUOTE_WAIT_MAX_S:
                return signed
            self._outage.shorten_pauses()
            if self._steps.has_deferred:
                self._steps.drop_deferred()
            else:
                await self._steps.record(Cause.INTERRUPTED, QUOTES_TOO_OLD)
            return None

    async def _store(self, signed: SignedTransaction, route: Route) -> SignedTransaction | None:
        while True:
            try:
                return await self._payment.store(self._steps, signed, route)
            except Unavailable as error:
                await self._wait_out(error, error.code)

    async def _wait_out(self, error: Unavailable, code: str) -> None:
        """Wait before the next try. Raises ``OutageTooLong``; of an only attempt, ``error``."""
        if self._order.time_in_force.has_one_attempt:
            raise error
        if self._outage is None:
            self._outage = OutageWait(
                self._order.waited_s,
                wait_max_s=self._context.policy.outage_wait_s,
                random=self._context.random,
            )
            self._lease.waiting_since = self._outage.since
            observe.order_waits(error.code, error.reason)
        self._lease.outage_code = code
        self._place.pause()
        await self._outage.pause(error, code)

    async def _resume(self) -> None:
        signed = self._order.signed
        assert signed is not None, "a submitted order has its transaction"
        self._place.give_back()
        result = await self._context.submitter.check_outcome(signed)
        if choose_recovery(self._order.status, result.outcome) is RecoveryAction.RESEND:
            await self._context.submitter.send(signed)
            result = await self._context.submitter.await_outcome(signed)
        await self._finish(signed, result)

    async def _finish(self, signed: SignedTransaction, result: SignatureResult) -> None:
        self._context.wallets.find(self._order.wallet).mark_changed()
        match result.outcome:
            case SignatureOutcome.LANDED:
                await self._confirm(signed, result)
            case SignatureOutcome.REVERTED:
                self._revert = revert = await self._context.submitter.fetch_revert(signed, result)
                if isinstance(revert.error, Rejected) and not self._order.lacks_share(revert.error):
                    await self._fail(Cause.REJECTED, revert.error)
                else:
                    await self._retry(Cause.REVERTED, revert.error, signed)
            case SignatureOutcome.EXPIRED:
                reason = "the transaction was never included and cannot be any more"
                await self._retry(Cause.SIGNATURE_EXPIRED, Transient("not_landed", reason), signed)
            case SignatureOutcome.UNRESOLVED:
                raise AssertionError("await_outcome returned an unresolved outcome")

    async def _confirm(self, signed: SignedTransaction, result: SignatureResult) -> None:
        order = self._order
        submitter, terms = self._context.submitter, order.terms
        fill = await submitter.fetch_fill(signed, terms, result, order.wallet)
        self._context.on_checkpoint(Checkpoint.SETTLED)
        if fill is not None:
            price = compute_price(order.terms, fill.amount_out)
            await self._steps.record(
                Cause.LANDED,
                describe_fill(order, signed, fill, price, self._route),
                amount_out=fill.amount_out,
                executed_price=price,
                costs=fill.costs,
                children=build_children(order.id, order.terms, order.bracket, fill.amount_out),
            )
        else:
            # It landed, so the order has ended; its amount follows when a node tells it.
            assert result.status is not None
            unknown = describe_unknown_fill(order, signed, result.status.slot, self._route)
            await self._steps.record(Cause.LANDED, unknown)
        observe.order_ended(self._order.status, self._order.dex or "", "")

    async def _reject(self, error: Rejected) -> None:
        is_unmet = is_unmet_now(self._order, error)
        if is_unmet and self._order.time_in_force.has_one_attempt:
            await self._end_unfilled(Cause.REJECTED, error)
        elif (is_unmet and self._order.has_waited) or may_be_met_later(self._order, error):
            await self._retry(Cause.TRANSIENT, error)
        else:
            await self._fail(Cause.REJECTED, error)

    async def _fail(self, cause: Cause, error: EngineError) -> None:
        data = describe_failure(error, revert=self._revert)
        await self._record_failure(cause, data, last_error=str(error))
        observe.order_ended(self._order.status, self._order.dex or "", error.code, error.reason)

    async def _expire(self) -> None:
        await self._steps.record(Cause.TIMED_OUT, EXPIRED_DATA)
        observe.order_ended(self._order.status, self._order.dex or "", EXPIRED_CODE)

    async def _end_unfilled(
        self, cause: Cause, error: EngineError, signed: SignedTransaction | None = None
    ) -> None:
        """End an order whose only attempt has not filled it."""
        order = self._order
        advance(order.status, order.attempt, cause)  # only what may happen to it ends its attempt
        data = describe_unfilled(error, order.time_in_force, signed, self._revert)
        await self._record_failure(Cause.UNFILLED, data, last_error=str(error))
        observe.order_ended(self._order.status, self._order.dex or "", error.code, error.reason)

    async def _retry(
        self, cause: Cause, error: EngineError, signed: SignedTransaction | None = None
    ) -> None:
        if self._order.time_in_force.has_one_attempt:
            await self._end_unfilled(cause, error, signed)
            return
        if self._order.waits_again or self._order.lacks_share(error):
            await self._wait_again(error, signed)
            return
        failed_attempt = self._order.attempt
        data = describe_failure(error, signed, self._revert)
        policy = self._context.policy
        if self._order.is_latched or failed_attempt < policy.attempts_max:
            chance, is_bounded = self._context.random.random(), not self._order.is_latched
            wait_ms = policy.compute_backoff_ms(failed_attempt, chance, is_bounded=is_bounded)
            data["waitMs"] = wait_ms
            await self._record_failure(cause, data, last_error=str(error), wait_ms=wait_ms)
            observe.order_retried(error.code, error.reason, self._order.attempt, wait_ms)
            raise RetryLater(wait_ms / 1000, is_unbounded=self._order.is_latched)
        data["reason"] = f"{error.reason} (attempt {failed_attempt} of {policy.attempts_max})"
        await self._record_failure(cause, data, last_error=f"{error.code}: {data['reason']}")
        observe.order_ended(self._order.status, self._order.dex or "", error.code, error.reason)

    async def _wait_again(self, error: EngineError, signed: SignedTransaction | None) -> None:
        data = describe_failure(error, signed, self._revert)
        wait_ms = data["waitMs"] = self._context.policy.cool_down_ms
        await self._record_failure(Cause.UNMET, data, last_error=str(error), wait_ms=wait_ms)
        observe.order_retried(error.code, error.reason, self._order.attempt, wait_ms)

    async def _record_failure(
        self, cause: Cause, data: Mapping[str, object], **fields: Unpack[TransitionFields]
    ) -> None:
        if self._revert is not None:
            costs = self._revert.costs
            fields["costs"], fields["lacks_costs"] = costs, costs is None
        await self._steps.record(cause, data, **fields)
