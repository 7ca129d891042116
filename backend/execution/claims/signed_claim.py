"""The shortest way of an order that nobody has claimed: claim, route and transaction in one commit.

The job of an order that comes alone tells its terms. So the order is routed and signed first, which
tells nobody anything, and what is stored then claims it too. Whatever does not go by this way goes
by the usual one, which claims the order first: every error is met again there, under a lease.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.errors import EngineError
from backend.domain.lifecycle import Cause
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.execution.claims.lease_renewer import LeaseRenewer
from backend.execution.context import Checkpoint, ExecutionContext
from backend.execution.event_data import describe_signed, encode_json
from backend.execution.step_recorder import StepRecorder
from backend.routing.route import Route
from backend.store.trading.held_orders import OrderHeld
from backend.store.transitions import LeaseLost
from backend.store.wallets.spending import BudgetRevoked, FundsReserved
from backend.store.withdrawals.expired_submissions import OrderExpired


@dataclass(frozen=True, slots=True)
class SignedClaim:
    """A submitted order under its first lease, whose transaction is stored and not sent yet."""

    order: LeasedOrder
    route: Route
    signed: SignedTransaction


async def claim_signed(
    context: ExecutionContext, renewer: LeaseRenewer, order: LeasedOrder, terms_text: str
) -> SignedClaim | None:
    """Route and sign an unclaimed order and store that; its lease must be kept at once.

    ``None`` if it is to be claimed in the usual way, if it can be claimed at all. With a preflight
    it is: a simulation takes longer than a claim. Its pools are read while the claim commits.
    """
    if context.submitter.has_preflight:
        context.prefetch(order.terms.token_in, order.terms.token_out)
        return None
    try:
        route = await context.router.route(order.terms)
        funds = context.wallets.choose(order, route)
        if funds.may_lack(order.terms, route):
            return None
        context.on_checkpoint(Checkpoint.QUOTED)
        signed = await context.submitter.sign(order, route, funds)
        spend = await funds.reserve(order.terms, route, signed.fee_lamports)
        measure = None
        if context.measurer.is_wanted:
            measure = await context.measurer.measure(order.terms, route)
    except EngineError:
        return None
    steps = StepRecorder(context.journal, order, attempts_max=context.policy.attempts_max)
    steps.claim(terms_text)
    data = route.to_json(order.terms)
    steps.defer(Cause.ROUTED, data, dex=route.quote.dex, route=encode_json(data))
    described = describe_signed(signed, measure)
    record = steps.record(Cause.SIGNED, described, signed=signed, spend=spend, measure=measure)
    try:
        await renewer.claim_by(record)
    except BudgetRevoked:
        funds.void_budgets()
        return None
    except (LeaseLost, OrderExpired, OrderHeld, FundsReserved, EngineError):
        return None
    return SignedClaim(steps.order, route, signed)
