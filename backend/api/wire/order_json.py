"""Orders as JSON: alone with their steps, and in lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson

from backend.domain.amounts import Token, format_amount, format_slippage
from backend.domain.condition_fields import format_condition
from backend.domain.fees.order_fees import fees_to_json
from backend.domain.groups.bracket_fields import format_bracket
from backend.domain.groups.children import derive_child_ids
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent, OrderRecord
from backend.domain.quotes import Dex
from backend.domain.route_constraints import constraints_to_json
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.shares import format_share
from backend.domain.waiting.slices import format_progress

_NO_CONDITION: Final[Mapping[str, object | None]] = {
    **dict.fromkeys(("limitPrice", "triggerPrice", "activationPrice", "priceOf", "trailBps")),
    **dict.fromkeys(("confirmations", "then")),
    "isTriggered": False,
    "highestPrice": None,
}
"""What an order shows that waits for nothing."""
NO_MARKET: Final[Mapping[str, object]] = MappingProxyType({})
"""The members of an order that the market gives none."""
NO_MARKETS: Final[Mapping[UUID, Mapping[str, object]]] = MappingProxyType({})


def encode_order(
    record: OrderRecord,
    tokens: TokenRegistry,
    events: Sequence[OrderEvent],
    market: Mapping[str, object] = NO_MARKET,
) -> bytes:
    """An order as JSON text, with the steps that its events were.

    ``market`` are the members that the market gives it.
    """
    shown = {**order_to_json(record, tokens), **market, "steps": steps_to_json(events)}
    return orjson.dumps(shown)


def encode_order_page(
    records: Sequence[OrderRecord],
    tokens: TokenRegistry,
    next_cursor: str | None,
    complete_until: datetime | None,
    markets: Mapping[UUID, Mapping[str, object]] = NO_MARKETS,
) -> bytes:
    """A page of a list as JSON text: up to a thousand orders, in some milliseconds.

    ``markets`` are the members that the market gives some of them.
    """
    # One by one: a thousand objects alive at once would be new memory, which is slower.
    orders = b",".join([_encode_listed(record, tokens, markets) for record in records])
    until = None if complete_until is None else format_time(complete_until)
    return b'{"orders":[%b],"next":%b,"completeUntil":%b}' % (
        *(orders, orjson.dumps(next_cursor), orjson.dumps(until)),
    )


def _encode_listed(
    record: OrderRecord, tokens: TokenRegistry, markets: Mapping[UUID, Mapping[str, object]]
) -> bytes:
    shown = order_to_json(record, tokens)
    if record.id in markets:
        shown.update(markets[record.id])
    return orjson.dumps(shown)


def order_to_json(record: OrderRecord, tokens: TokenRegistry) -> dict[str, object]:
    """An order as a JSON object; every key is present, ``null`` for unknown values.

    Only a TWAP order has those of its slices, and what is asked of a route, and the outage that it
    waits out, are there where they are.
    """
    token_in = tokens.find(record.token_in, "tokenIn")
    token_out = tokens.find(record.token_out, "tokenOut")
    route = None if record.route is None else orjson.loads(record.route)
    return {
        "orderId": str(record.id),
        "clientOrderId": record.client_order_id,
        "batchId": _format_optional(record.batch_id),
        **_show_relations(record, token_in, token_out),
        "type": record.type,
        "tokenIn": record.token_in,
        "tokenOut": record.token_out,
        "amountIn": format_amount(record.amount_in, token_in.decimals),
        "amountInShare": _show_share(record.amount_in_bps),
        "minAmountOut": _format_optional_amount(record.min_amount_out, token_out.decimals),
        **_show_route_terms(record),
        **_show_condition(record, token_in, token_out),
        "timeInForce": record.time_in_force,
        "expiresAt": _format_optional_time(record.expires_at),
        "status": record.status,
        "seq": record.seq,
        "attempts": record.attempts,
        "dex": record.dex,
        "route": route,
        "txHash": record.tx_hash,
        "amountOut": _format_optional_amount(record.amount_out, token_out.decimals),
        "amountKnown": record.amount_out is not None,
        "executedPrice": None if record.executed_price is None else f"{record.executed_price:f}",
        "realizedSlippage": _compute_slippage(record, route, token_out),
        "venueFees": None if route is None else route.get("venueFees"),
        **_show_costs(record),
        "wallet": record.wallet,
        "lastError": record.last_error,
        "mayLandUntil": record.last_valid_height if record.status is Status.SUBMITTED else None,
        "cancelReason": record.cancel_reason,
        **_show_waiting(record),
        "createdAt": format_time(record.created_at),
        "updatedAt": format_time(record.updated_at),
        **_show_slices(record, token_in, token_out),
    }


def _show_waiting(record: OrderRecord) -> dict[str, object]:
    """When it is tried again, and what is away since when if it waits for the end of an outage."""
    shown: dict[str, object] = {"nextAttemptAt": _format_optional_time(record.next_attempt_at)}
    code, since = record.outage_code, record.waiting_since
    if code is not None and since is not None and not record.status.is_final:
        shown["outage"] = {"code": code, "since": format_time(since)}
    return shown


def _show_costs(record: OrderRecord) -> Mapping[str, int | bool | None]:
    """What its transactions that landed have cost; not all is known while an amount is not."""
    is_pending = record.status is Status.CONFIRMED and record.amount_out is None
    return {
        "networkFeeLamports": record.network_fee_lamports,
        "priorityFeeLamports": record.priority_fee_lamports,
        "tipLamports": record.tip_lamports,
        "rentLamports": record.rent_lamports,
        "costsKnown": not (is_pending or record.costs_unknown),
    }


def _show_route_terms(record: OrderRecord) -> dict[str, object]:
    """What a route has to meet, what the order asks of it, and what it says of its fees."""
    return {
        "slippageBps": record.slippage_bps,
        "maxPriceImpactBps": record.max_price_impact_bps,
        **constraints_to_json(record.constraints),
        **fees_to_json(record.fees),
    }


def _show_share(bps: int | None) -> str | None:
    return None if bps is None else format_share(bps)


def _show_relations(
    record: OrderRecord, token_in: Token, token_out: Token
) -> Mapping[str, object | None]:
    """The orders that an order belongs to, and its bracket with those that came to be of it."""
    bracket, ids = record.bracket, None
    if bracket is not None and record.amount_out is not None:  # stored in the same commit
        ids = list(map(str, derive_child_ids(record.id, bracket)))
    return {
        "parentId": _format_optional(record.parent_id),
        "ocoGroup": _format_optional(record.oco_group),
        "bracket": None if bracket is None else format_bracket(bracket, token_in, token_out),
        "childIds": ids,
    }


def _show_condition(
    record: OrderRecord, token_in: Token, token_out: Token
) -> Mapping[str, object | None]:
    """What an order waits for, as its client wrote it; ``null`` for what it does not have."""
    condition, price_of, highest = record.condition, record.price_of, record.high_water
    if condition is None:
        return _NO_CONDITION
    shown = format_condition(condition, price_of, token_in, token_out)
    decimals = token_in.decimals, token_out.decimals
    return {
        **_NO_CONDITION,
        **shown,
        "isTriggered": record.is_triggered,
        "highestPrice": None if highest is None else highest.format(*decimals, price_of),
    }


def _show_slices(record: OrderRecord, token_in: Token, token_out: Token) -> dict[str, object]:
    """How far an order is that is executed in slices; nothing for others."""
    if record.progress is None:
        return {}
    tokens = token_in, token_out
    return {
        **format_progress(record.progress, record.amount_in, tokens, record.price_of),
        "nextSliceAt": _format_optional_time(record.next_slice_at),
    }


def steps_to_json(events: Sequence[OrderEvent]) -> list[dict[str, object]]:
    """The steps of an order: when each began, and how long it took if another one followed."""
    ends = [*(event.at for event in events[1:]), None]
    return [
        {
            "seq": event.seq,
            "status": event.status,
            "attempt": event.attempt,
            "at": format_time(event.at),
            "tookMs": None
            if end is None
            else max((end - event.at) // timedelta(milliseconds=1), 0),
        }
        for event, end in zip(events, ends, strict=True)
    ]


def _compute_slippage(
    record: OrderRecord, route: Mapping[str, Any] | None, token_out: Token
) -> str | None:
    """The realized slippage of an order against the quote that was chosen; ``None`` if unknown."""
    if route is None or record.amount_out is None:
        return None
    quoted = route.get("expectedAmountOut") or _find_quoted_amount(route, record.dex)
    if quoted is None:
        return None
    return format_slippage(int(Decimal(quoted).scaleb(token_out.decimals)), record.amount_out)


def _find_quoted_amount(route: Mapping[str, Any], dex: Dex | None) -> str | None:
    """What the pool of the only leg was quoted to pay; earlier versions named only its exchange."""
    pool = route.get("pool")
    for quote in route["quotes"]:
        if quote["dex"] == dex and quote.get("pool") == pool:
            return str(quote["amountOut"])
    return None


def _format_optional(value: object | None) -> str | None:
    return None if value is None else str(value)


def _format_optional_amount(base_units: int | None, decimals: int) -> str | None:
    return None if base_units is None else format_amount(base_units, decimals)


def _format_optional_time(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)
