"""Accepting one order: parse, store, queue for the workers, respond, in this order.

Orders by POST and orders over a WebSocket take this same path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from backend.api.admission.limit_headers import tell_rate
from backend.api.context import ApiContext
from backend.api.routes.batches.resolved_batch import QUEUED
from backend.api.routes.parameters import read_idempotency_key
from backend.api.routes.waiting.order_markets import (
    build_poolless_error,
    find_met_price,
    find_poolless,
    judge_orders,
)
from backend.api.wire.http import Request, Response, read_json_body
from backend.api.wire.json import encode
from backend.api.wire.order_types.amounts import NO_HOLDINGS, Holdings, names_share
from backend.api.wire.order_types.tokens import list_mints
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.api.wire.request_schemas import NO_REFUSALS, OrderRequest, read_order
from backend.domain.amounts import Token
from backend.domain.conditions import Launch, PriceCondition
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.lifecycle import Status
from backend.domain.orders import AcceptedOrder, NewOrder, OrderType
from backend.domain.times import format_time
from backend.domain.trading.states import find_hold
from backend.runtime import order_traces, trace
from backend.store.errors import report_unavailable

STORE_TIMEOUT_S = 5.0
"""How long a client waits for PostgreSQL to store its order."""
_PRICE_FIELDS: Final = {
    OrderType.LIMIT: "limitPrice",
    OrderType.STOP: "triggerPrice",
    OrderType.TAKE_PROFIT: "triggerPrice",
    OrderType.STOP_LIMIT: "triggerPrice",
    OrderType.TRAILING_STOP: "trailBps",
}
"""The field that says at which price an order of a type is met."""
REPLAYED_HEADERS = {"Idempotent-Replayed": "true"}

Result = TypeVar("Result")


class OrderAccepted(NamedTuple):
    """The response to one accepted order."""

    order_id: UUID
    response: Response


async def place_order(api: ApiContext, request: Request) -> Response:
    """``POST /api/orders/execute``."""
    trace.mark_step("request read")
    request.response_headers.update(await api.admission.admit(request.owner))
    return (await accept_order(api, request, read_json_body(request))).response


async def accept_order(api: ApiContext, request: Request, raw: object) -> OrderAccepted:
    """Accept one order. Raises ``Problem`` or an engine's error; then nothing is stored."""
    services = api.services
    mints = await learn_mints(api, [raw])
    holdings = await read_holdings(api, find_sold(api, [raw]))
    order_request = read_order_request(api, raw, mints, holdings)
    order = build_new_order(api, request, order_request, key=read_idempotency_key(request))
    if order_request.refusal is not None and await services.intake.find_earlier(order) is None:
        raise order_request.refusal
    if order.waits:
        await _require_market(api, order, is_strict=order_request.is_strict)
    accepted = await await_stored(services.intake.accept(order))
    if accepted.rate is not None:
        tell_rate(request.response_headers, accepted.rate)
    if not accepted.is_replay:
        api.admission.count_stored(request.owner, 1)
        order_traces.order_accepted(order.id, request.headers)
        if not order.waits:
            await services.jobs.send_order(order)
            await asyncio.sleep(0)  # the job leaves first, and then the response is built
    met = {} if accepted.is_replay else await find_met_now(api, [order])
    response = _build_accepted_response(api, request, accepted, order, is_met=met.get(order.id))
    return OrderAccepted(accepted.id, response)


async def _require_market(api: ApiContext, order: NewOrder, *, is_strict: bool) -> None:
    """Raise ``Problem`` (422) if a new order has no market, or a strict one is met by it.

    One that was accepted before is not refused.
    """
    errors = await find_pool_errors(api, [order])
    if is_strict and not errors:
        errors = await find_strict_errors(api, [order])
    if errors and await api.services.intake.find_earlier(order) is None:
        raise errors[order.id]


async def find_pool_errors(api: ApiContext, orders: Sequence[NewOrder]) -> dict[UUID, Problem]:
    """The problems of those of some orders that would wait although they may use no pool.

    Only a sniper waits for a pool. Where it is not known soon whether there is one, there is no
    problem.
    """
    waiting = [o for o in orders if o.waits and not isinstance(o.terms.condition, Launch)]
    if not waiting:
        return {}
    poolless = await find_poolless(api, [each.terms for each in waiting])
    return {
        order.id: invalid_fields([build_poolless_error(order.terms)])
        for order, is_poolless in zip(waiting, poolless, strict=True)
        if is_poolless
    }


async def find_strict_errors(api: ApiContext, orders: Sequence[NewOrder]) -> dict[UUID, Problem]:
    """The problems of those of some waiting orders that the market meets now.

    Raises ``Transient`` if that is unknown of one of them.
    """
    wait_s = api.services.settings.quote_timeout_s
    offers = await judge_orders(api, [each.terms for each in orders], wait_s=wait_s)
    errors = {}
    for order, offer in zip(orders, offers, strict=True):
        price = find_met_price(offer, order.terms, "place it without strict to have no need of it")
        if price is not None:
            field = _PRICE_FIELDS[order.terms.type]
            reason = (
                f"would be met at once, by an executable price of {price}, and strict forbids that"
            )
            errors[order.id] = invalid_fields([FieldError(field, "would_be_met", reason)])
    return errors


async def find_met_now(api: ApiContext, orders: Sequence[NewOrder]) -> dict[UUID, bool]:
    """Whether the market meets those of some orders that wait for a price, where it is known."""
    priced = [o for o in orders if o.waits and isinstance(o.terms.condition, PriceCondition)]
    if not priced:
        return {}
    offers = await judge_orders(api, [each.terms for each in priced])
    return {
        each.id: offer.is_met
        for each, offer in zip(priced, offers, strict=True)
        if offer is not None
    }


async def learn_mints(api: ApiContext, raw: Sequence[object]) -> Mapping[str, Rejected]:
    """Learn of the tokens that unparsed orders name by their mint; returns why some are refused.

    Raises ``Transient`` if the node cannot be reached for one that no process knows yet.
    """
    names = list_mints(raw)
    return await api.services.mints.learn(names) if names else NO_REFUSALS


def find_sold(api: ApiContext, raw: Sequence[object]) -> set[Token] | None:
    """The tokens of those of some unparsed orders that sell a share; ``None`` if none does."""
    shares = [order for order in raw if names_share(order)]
    if not shares:
        return None
    tokens = api.services.tokens
    return {tokens.find(name, "token") for name in list_mints(shares) if name in tokens}


async def read_holdings(api: ApiContext, sold: Collection[Token] | None) -> Holdings:
    """Read what the wallet holds, if a share of that is sold, also of tokens not listed."""
    if sold is None:
        return NO_HOLDINGS
    try:
        async with asyncio.timeout(api.services.settings.quote_timeout_s):
            funds = await api.services.holdings.read_free(sold)
    except (EngineError, TimeoutError) as error:
        cause = error.reason if isinstance(error, EngineError) else "the node does not answer"
        reason = f"what the wallet holds, of which this is a share, cannot be read now: {cause}"
        return Holdings(error=Transient("holdings_unknown", reason))
    return Holdings(funds.measure)


def read_order_request(
    api: ApiContext,
    raw: object,
    refused_mints: Mapping[str, Rejected] = NO_REFUSALS,
    holdings: Holdings = NO_HOLDINGS,
    *,
    is_of_batch: bool = False,
) -> OrderRequest:
    """Parse an order with the defaults of the settings. Raises ``Problem`` (422)."""
    settings = api.services.settings
    return read_order(
        raw,
        api.services.tokens,
        settings.slippage_bps,
        settings.max_price_impact_bps,
        settings.stop_slippage_bps,
        refused_mints,
        holdings=holdings,
        is_of_batch=is_of_batch,
        priority_fee_max=settings.priority_fee_ceiling_lamports,
    )


async def await_stored(storing: Awaitable[Result]) -> Result:
    """The result of storing an order; raises as ``await_written``."""
    return await await_written(
        storing,
        "whether it was stored is not known, so repeat it with the same"
        " Idempotency-Key or clientOrderId",
    )


async def await_written(writing: Awaitable[Result], advice: str) -> Result:
    """The result of a write to the store, within ``STORE_TIMEOUT_S``.

    Raises ``Transient`` on a timeout or a lost connection: the commit may have happened, so the
    reason ends with ``advice``, to repeat the request.
    """
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return await writing
    except (Transient, TimeoutError) as cause:
        error = cause if isinstance(cause, Transient) else report_unavailable(cause)
        raise Transient(error.code, f"{error.reason}; {advice}") from cause


def describe_hold(api: ApiContext, order: NewOrder) -> str | None:
    """Why a new order is not executed yet, if a trading state holds it."""
    rules, terms = api.services.trading.rules.current, order.terms
    rule = find_hold(rules, order.owner, terms.token_in, terms.token_out)
    return None if rule is None else rule.describe()


def build_new_order(
    api: ApiContext,
    request: Request,
    order_request: OrderRequest,
    *,
    key: str | None = None,
    batch_id: UUID | None = None,
    oco_group: UUID | None = None,
) -> NewOrder:
    """The order to store for a valid request, with a new id."""
    return NewOrder(
        id=api.services.new_id(),
        owner=request.owner,
        terms=order_request.terms,
        request_hash=order_request.request_hash,
        client_order_id=order_request.client_order_id,
        idempotency_key=key,
        batch_id=batch_id,
        time_in_force=order_request.time_in_force,
        expires_at=order_request.expires_at,
        oco_group=oco_group,
        bracket=order_request.bracket,
    )


def _build_accepted_response(
    api: ApiContext,
    request: Request,
    accepted: AcceptedOrder,
    order: NewOrder,
    *,
    is_met: bool | None,
) -> Response:
    base = api.public_address.find_base(request)
    path = f"{base.path}/api/orders/{accepted.id}"
    is_waiting = accepted.status is Status.WAITING
    body: dict[str, object] = {
        "status": accepted.status if accepted.is_replay or is_waiting else QUEUED,
        "orderId": str(accepted.id),
        "ws_url": f"{base.socket}/api/orders/execute?orderId={accepted.id}",
        "statusUrl": path,
        "createdAt": format_time(accepted.created_at),
    }
    if order.client_order_id is not None:
        body["clientOrderId"] = order.client_order_id
    if is_met is not None:
        body["isMetNow"] = is_met
    if not accepted.is_replay and (held := describe_hold(api, order)) is not None:
        body["held"] = held
    headers = {"Location": path}
    return Response(
        202, encode(body), headers | REPLAYED_HEADERS if accepted.is_replay else headers
    )
