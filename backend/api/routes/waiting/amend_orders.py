"""Amending an order that waits: its new terms hold from then on, or nothing has changed."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from backend.api.context import ApiContext
from backend.api.routes.cancel_orders import too_late
from backend.api.routes.parameters import SEQ_MAX, parse_order_id
from backend.api.routes.place_orders import await_written, read_holdings
from backend.api.routes.read_orders import explain_missing_order, show_order
from backend.api.routes.waiting.order_markets import (
    find_met_price,
    judge_waiting,
    read_mark,
    read_terms,
)
from backend.api.wire.changes.amend_schema import AmendRequest, read_amendment
from backend.api.wire.http import Request, Response, read_json_body
from backend.api.wire.order_json import order_to_json
from backend.api.wire.problems import FieldError, Problem, invalid_fields, to_problem
from backend.domain.conditions import PriceCondition
from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord, OrderTerms
from backend.domain.waiting.amendments import changes_price
from backend.domain.waiting.slices import CLIENT_ID_PREFIX
from backend.store.waiting.amendments import Amendment, HighWaterMark

ATTEMPTS_MAX: Final = 3
_UNKNOWN_RESULT: Final = (
    "whether it was amended is not known: repeat it; if it was, the answer is 412"
)
_UNKNOWN_MARKET: Final = "amend it with allowImmediate to have no need of it"
_SEQ: Final = re.compile(r'"([1-9][0-9]{0,9})"')


async def amend_order(api: ApiContext, request: Request) -> Response:
    """``PATCH /api/orders/<id>``: 200 with the amended order, or a problem with it as it is."""
    order_id = parse_order_id(request.path_variable)
    seq = _read_seq(request)
    request.response_headers.update(await api.admission.admit_change(request.owner))
    amend_request = read_amendment(read_json_body(request))
    services = api.services
    for _ in range(ATTEMPTS_MAX):
        record = await services.orders.get_current(request.owner, order_id)
        if record is None:
            raise await explain_missing_order(api, request.owner, order_id)
        _require_amendable(api, record, seq)
        amendment = await _build_amendment(api, request.owner, record, amend_request)
        if not amendment.describe():
            return await show_order(api, record)
        await _require_limits(api, amendment)
        if await await_written(services.amendments.amend(amendment), _UNKNOWN_RESULT):
            amended = await services.orders.get_current(request.owner, order_id)
            if amended is None:
                raise await explain_missing_order(api, request.owner, order_id)
            return await show_order(api, amended)
        await _refuse_expiry(api, record, amendment)
    raise Transient("busy", "the order changes again and again; repeat the request")


async def _require_limits(api: ApiContext, amendment: Amendment) -> None:
    """Raise ``LimitExceeded`` if the new terms exceed a limit of their owner."""
    services = api.services
    if not services.trading.rules.limits.is_limited(amendment.owner):
        return
    error = await services.trading.limits.find_term_error(amendment.owner, amendment.terms)
    if error is not None:
        services.trading.rules.limits.on_refused(amendment.owner, error)
        raise error


def _read_seq(request: Request) -> int:
    """The ``seq`` of the order that its owner has seen. Raises ``Problem``: 428, 400."""
    text = request.headers.get("if-match")
    if text is None:
        detail = (
            'which step of the order is amended? Send its seq as a header, such as If-Match: "2"'
        )
        raise Problem(428, "precondition_required", detail)
    match = _SEQ.fullmatch(text.strip())
    if match is None or int(match[1]) > SEQ_MAX:
        reason = 'must be the seq of the order in quotes, such as "2"'
        raise invalid_fields([FieldError("If-Match", "invalid_header", reason)], 400)
    return int(match[1])


def _require_amendable(api: ApiContext, record: OrderRecord, seq: int) -> None:
    """Raise ``Problem`` (409, 422, 412) unless the order waits as its owner has seen it."""
    if record.status is not Status.WAITING:
        raise too_late(api, record)
    members = {"order": order_to_json(record, api.services.tokens)}
    if not isinstance(record.condition, PriceCondition):
        detail = f"{record.type} orders cannot be amended: cancel it, and place another"
        raise Problem(409, "type_not_amendable", detail, members=members)
    if record.client_order_id is not None and record.client_order_id.startswith(CLIENT_ID_PREFIX):
        detail = "a slice cannot be amended: its amount is a share of its order's"
        raise Problem(409, "slice_not_amendable", detail, members=members)
    if record.seq != seq:
        detail = f"the order has changed since: its seq is {record.seq}, not {seq}"
        raise Problem(412, "precondition_failed", detail, members=members)


async def _build_amendment(
    api: ApiContext, owner: str, record: OrderRecord, request: AmendRequest
) -> Amendment:
    """The amendment of an order as it is. Raises ``Problem`` (422, 409) and ``Transient``."""
    before = read_terms(api, record)
    is_following = record.high_water is not None
    sold = {before.token_in, before.token_out} if request.sells_share else None
    holdings = await read_holdings(api, sold)
    terms = request.apply(
        before,
        holdings,
        is_triggered=record.is_triggered,
        is_following=is_following,
        priority_fee_max=api.services.settings.priority_fee_ceiling_lamports,
    )
    mark: HighWaterMark | None = None
    if changes_price(before, terms):
        mark = await read_mark(api, record)
        if not request.allows_immediate:
            await _require_unmet(api, record, terms, mark)
    expires_at: datetime | None = record.expires_at
    if request.has_expiry:
        expires_at = request.expires_at
    is_resized = terms.amount_in != before.amount_in
    return Amendment(
        order_id=record.id,
        owner=owner,
        seq=record.seq,
        before=before,
        terms=terms,
        expired_before=record.expires_at,
        expires_at=expires_at,
        mark=mark if is_resized else None,
    )


async def _require_unmet(
    api: ApiContext, record: OrderRecord, terms: OrderTerms, mark: HighWaterMark | None
) -> None:
    """Raise ``Problem`` (409) if the market meets an order by its new terms."""
    offer = await judge_waiting(
        api,
        terms,
        is_triggered=record.is_triggered,
        mark=None if mark is None else mark.price,
        wait_s=api.services.settings.quote_timeout_s,
    )
    price = find_met_price(offer, terms, _UNKNOWN_MARKET)
    if price is None:
        return
    detail = (
        f"it would be met at once, by an executable price of {price}: if that is meant, say so"
        " with allowImmediate"
    )
    members = {
        "executablePrice": price,
        "priceOf": terms.price_of,
        "order": order_to_json(record, api.services.tokens),
    }
    raise Problem(409, "would_be_met", detail, members=members)


async def _refuse_expiry(api: ApiContext, record: OrderRecord, amendment: Amendment) -> None:
    """Raise ``Problem`` if an expiry kept the order from being amended: 422 by its new one, 409."""
    amendments = api.services.amendments
    if amendment.expires_at is not None and amendment.expires_at != record.expires_at:
        error = await amendments.find_expiry_error(amendment.expires_at)
        if error is not None:
            raise to_problem(error)
    if record.expires_at is not None and await amendments.find_expiry_error(record.expires_at):
        raise too_late(api, record, "its expiry has passed")
