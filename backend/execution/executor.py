"""The executor: drives orders, each from where it is to its end.

The sequence, for an order that nobody disturbs:

1. claim it: a compare-and-set takes the lease (``pending → routing``);
2. route: ask both venues, choose, check the minimum (``→ building``);
3. build: make and sign the transaction, and store it (``→ submitted``): in one commit with the
   route, unless the node is asked in between what the transaction would do;
4. send it, watch its signature, read the fill from the chain (``→ confirmed``).

A failed attempt is stored with the time of the next one, and the order is given back; whoever
claims it then goes on. An order that is found half-way is taken up where ``recover`` says. Every
write carries the claim's epoch: when another worker has taken over, ``LostLease`` ends the drive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack
from uuid import UUID

import orjson

from backend.domain.amounts import Price, format_amount
from backend.domain.errors import EngineError, Rejected, RetryLater, Transient
from backend.domain.lifecycle import (
    Fate,
    Happening,
    Recovery,
    Status,
    Step,
    advance,
    backoff_ms,
    recover,
)
from backend.domain.orders import Held, Signed
from backend.domain.quotes import Dex
from backend.execution.context import Means, Point
from backend.execution.lease_renewer import Keeper
from backend.execution.unsent_limiter import Unsent
from backend.runtime import observe
from backend.store.database import GONE
from backend.store.journal import LostLease, Passed, Transition

CLAIM_AGAIN_S = 1.0
_INTERRUPTED = {"code": "interrupted", "reason": "its worker was lost; nothing had been sent"}


class Executor:
    """Drives any number of orders at once."""

    def __init__(self, keeper: Keeper, means: Means, unsent: Unsent) -> None:
        self._keeper = keeper
        self._means = means
        self._unsent = unsent

    async def run(self, order_id: str) -> None:
        """Drive an order as far as it goes now; nothing happens if it is not to be had.

        Raises ``RetryLater`` if an attempt failed and the next one has its time, or if PostgreSQL
        did not answer the claim.
        """
        observe.bind(order_id)
        with self._unsent.one() as sent:
            order = await self._claim(order_id)
            if order is None:
                return
            try:
                with self._keeper.keep(order):
                    self._means.reached(Point.CLAIMED)
                    await _Drive(self._means, order, sent).go()
            except LostLease:
                observe.lease_lost()

    async def _claim(self, order_id: str) -> Held | None:
        try:
            return await self._keeper.claim(UUID(order_id))
        except GONE as error:
            observe.database_gone(error)
            raise RetryLater(CLAIM_AGAIN_S) from None


class Known(TypedDict, total=False):
    """What is known of an order from a transition on."""

    dex: Dex
    route: str
    signed: Signed
    amount_out: int
    executed_price: str
    last_error: str
    wait_ms: int


class _Drive:
    """One order under this worker's lease, from its claim until it ends or is given back."""

    def __init__(self, means: Means, order: Held, sent: Callable[[], None]) -> None:
        self._means = means
        self._order = order
        self._sent = sent
        self._passed: tuple[Held, Passed, Known] | None = None
        self._since = asyncio.get_running_loop().time()

    async def go(self) -> None:
        try:
            if self._order.status is Status.SUBMITTED:
                await self._resume()
            else:
                await self._execute()
        except (LostLease, RetryLater):
            raise
        except Rejected as error:
            await self._fail(error)
        except Transient as error:
            await self._retry(Happening.TRANSIENT, error)
        except Exception as error:
            # Once bytes may have left, only the chain ends an order: the job is repeated.
            if self._order.status is Status.SUBMITTED:
                raise
            observe.job_failed(error)
            fault = Transient("internal_error", f"an unexpected {type(error).__name__}")
            await self._retry(Happening.TRANSIENT, fault)

    async def _execute(self) -> None:
        if recover(self._order.status) is Recovery.ROUTE_AGAIN:
            await self._record(Happening.INTERRUPTED, _INTERRUPTED)
        route = await self._means.router.route(self._order.terms)
        self._means.reached(Point.QUOTED)
        facts = route.to_json(self._order.terms)
        chosen: Known = {"dex": route.quote.dex, "route": _json(facts)}
        if self._means.submission.preflights:
            await self._record(Happening.ROUTED, facts, **chosen)
        else:  # it is signed at once, so there is nothing to tell in between
            self._pass(Happening.ROUTED, facts, **chosen)
        signed = await self._means.submission.sign(
            self._order.id, self._order.attempt, self._order.terms, route
        )
        await self._record(Happening.SIGNED, {"txHash": signed.signature}, signed=signed)
        self._means.reached(Point.STORED)
        await self._means.submission.send(signed)
        self._sent()
        self._means.reached(Point.SENT)
        await self._settle(signed, await self._means.submission.settled(signed))

    async def _resume(self) -> None:
        """Take up an order whose transaction may have been sent: the chain is asked first."""
        signed = self._order.signed
        assert signed is not None, "a submitted order has its transaction"
        self._sent()
        fate = await self._means.submission.look(signed)
        if recover(self._order.status, fate) is Recovery.RESEND:
            await self._means.submission.send(signed)
            fate = await self._means.submission.settled(signed)
        await self._settle(signed, fate)

    async def _settle(self, signed: Signed, fate: Fate) -> None:
        match fate:
            case Fate.LANDED:
                await self._confirm(signed)
            case Fate.REVERTED:
                error = await self._means.submission.reverted(signed)
                if isinstance(error, Rejected):
                    await self._fail(error)
                else:
                    await self._retry(Happening.REVERTED, error, signed)
            case Fate.DEAD:
                reason = "the transaction was never included and cannot be any more"
                await self._retry(Happening.UNLANDED, Transient("not_landed", reason), signed)
            case Fate.OPEN:
                raise AssertionError("a watch ends when the fate is known")

    async def _confirm(self, signed: Signed) -> None:
        terms = self._order.terms
        fill = await self._means.submission.filled(signed, terms)
        self._means.reached(Point.SETTLED)
        price = Price(
            terms.amount_in, terms.token_in.decimals, fill.amount_out, terms.token_out.decimals
        )
        facts = {
            "dex": self._order.dex,
            "txHash": signed.signature,
            "executedPrice": str(price),
            "amountOut": format_amount(fill.amount_out, terms.token_out.decimals),
            "slot": fill.slot,
        }
        await self._record(
            Happening.LANDED, facts, amount_out=fill.amount_out, executed_price=str(price)
        )
        observe.order_ended(self._order.status, self._order.dex or "", "")

    async def _fail(self, error: EngineError) -> None:
        await self._record(Happening.REJECTED, _failure(error), last_error=str(error))
        observe.order_ended(self._order.status, self._order.dex or "", error.code, error.reason)

    async def _retry(
        self, what: Happening, error: EngineError, signed: Signed | None = None
    ) -> None:
        """Give the order back until its next attempt is due, or end it if that was the last."""
        failed_attempt = self._order.attempt
        facts = _failure(error, signed)
        policy = self._means.policy
        if failed_attempt < policy.attempts_max:
            wait_ms = backoff_ms(
                failed_attempt,
                base_ms=policy.backoff_ms,
                jitter=policy.backoff_jitter,
                chance=self._means.random.random(),
            )
            facts["waitMs"] = wait_ms
            await self._record(what, facts, last_error=str(error), wait_ms=wait_ms)
            observe.order_retried(error.code, error.reason, self._order.attempt, wait_ms)
            raise RetryLater(wait_ms / 1000)
        facts["reason"] = f"{error.reason} (attempt {failed_attempt} of {policy.attempts_max})"
        await self._record(what, facts, last_error=f"{error.code}: {facts['reason']}")
        observe.order_ended(self._order.status, self._order.dex or "", error.code, error.reason)

    def _pass(self, what: Happening, facts: Mapping[str, object], **known: Unpack[Known]) -> None:
        """Something happened, and more does at once: it is stored with that."""
        step = self._step(what)
        self._passed = self._order, Passed(step, _json(facts)), known
        self._move(step, known)

    async def _record(
        self, what: Happening, facts: Mapping[str, object], **known: Unpack[Known]
    ) -> None:
        """Store what happened; afterwards the order is where that leads."""
        step = self._step(what)
        if self._passed is None:
            transition = Transition(self._order, step, _json(facts), **known)
        else:
            order, via, before = self._passed
            both: Known = {**before, **known}
            transition = Transition(order, step, _json(facts), via, **both)
        await self._means.journal.record(transition)
        self._passed = None
        self._move(step, known)

    def _step(self, what: Happening) -> Step:
        order, most = self._order, self._means.policy.attempts_max
        return advance(order.status, order.attempt, what, attempts_max=most)

    def _move(self, step: Step, known: Known) -> None:
        order = self._order
        now = asyncio.get_running_loop().time()
        observe.order_moved(order.status, now - self._since)
        self._since = now
        self._order = Held(
            id=order.id,
            terms=order.terms,
            status=step.status,
            seq=order.seq + 1,
            attempt=step.attempt,
            epoch=order.epoch,
            dex=known.get("dex") or order.dex,
            signed=known.get("signed"),
        )


def _failure(error: EngineError, signed: Signed | None = None) -> dict[str, object]:
    facts: dict[str, object] = {"code": error.code, "reason": error.reason}
    if signed is not None:
        facts["txHash"] = signed.signature
    return facts


def _json(facts: Mapping[str, object]) -> str:
    return orjson.dumps(facts).decode()
