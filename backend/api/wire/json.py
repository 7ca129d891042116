"""JSON on the wire: exact decoding of requests, encoding of orders and events.

Numbers become integers or decimals, never floats. The data of an event is JSON text in the journal
and is put into its envelope without being parsed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from backend.api.wire.problems import Problem
from backend.domain.amounts import Token, format_amount, format_slippage
from backend.domain.condition_fields import format_condition
from backend.domain.groups.bracket_fields import format_bracket
from backend.domain.groups.children import derive_child_ids
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent, OrderRecord
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors write before a text in UTF-8; it means nothing there."""
DIGITS_MAX = 40
"""Most characters of a number."""
ORDER_VALUES_MAX = 256
"""Most values in the text of a single order, a few times what an order may have."""
BATCH_VALUES_PER_ORDER_MAX = 32
"""Most values in the text of a batch for each order that a batch may have."""
_NO_CONDITION: Final[Mapping[str, object | None]] = {
    **dict.fromkeys(("limitPrice", "triggerPrice", "activationPrice", "priceOf", "trailBps")),
    **dict.fromkeys(("confirmations", "then")),
    "isTriggered": False,
    "highestPrice": None,
}
"""What an order shows that waits for nothing."""
_NO_BRACKET: Final[Mapping[str, object | None]] = {"bracket": None, "childIds": None}
_DEPTH_CHECK_CHARACTERS = 8_192
"""Of a text with too many values, so much is decoded to tell whether it is nested too deeply."""


def _reject_duplicate_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same key twice")
    return members


def _parse_integer(text: str) -> int | str:
    # No valid number is longer; it stays text, to be refused where its field is known.
    return int(text) if len(text) <= DIGITS_MAX else text


def _parse_decimal(text: str) -> Decimal | str:
    if len(text) > DIGITS_MAX:
        return text
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond the range of decimals
        return text


_decoder = json.JSONDecoder(
    object_pairs_hook=_reject_duplicate_keys,
    parse_int=_parse_integer,
    parse_float=_parse_decimal,
    parse_constant=Decimal,
)
_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)

encode = _encoder.encode
"""A value as compact JSON text."""


def decode(body: bytes | str, values_max: int = ORDER_VALUES_MAX) -> object:
    """The value of a JSON text.

    ``NaN`` and infinities, which JSON does not have, are decoded for their field to refuse.
    A byte order mark before it is skipped.
    Raises ``Problem`` (400 ``malformed_json``) if the text is not JSON in UTF-8, and
    (``too_many_values``) if it has more than ``values_max`` members and elements: decoding them
    would keep all other requests waiting.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        _require_few_values(text, values_max)
        return _decoder.decode(text.removeprefix("\ufeff"))
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeDecodeError as error:
        encoding = _detect_other_encoding(error.object)
        reason = f"it is {encoding}" if encoding else f"its byte {error.start} is not UTF-8"
    except ValueError as error:
        reason = str(error) if text else "it is empty"
        if not isinstance(body, str) and (encoding := _detect_other_encoding(body)):
            reason = f"it is {encoding}"
    raise Problem(400, "malformed_json", f"the body is not JSON: {reason}")


def _require_few_values(text: str, values_max: int) -> None:
    """Refuse a text with too many values, which their separators count without decoding them.

    Raises ``Problem``, and ``RecursionError`` if it is nested too deeply as well.
    """
    if text.count(",") + text.count("[") + text.count("{") <= values_max:
        return
    with suppress(ValueError):
        _decoder.decode(text[:_DEPTH_CHECK_CHARACTERS])
    raise Problem(400, "too_many_values", f"the body has more than {values_max} values")


def _detect_other_encoding(body: bytes) -> str:
    """Which encoding a body that is not JSON has instead of UTF-8; empty if it may be UTF-8."""
    if body.startswith(b"\x1f\x8b"):
        return "compressed by gzip, and no Content-Encoding says so"
    encoding = json.detect_encoding(body).upper()
    return "" if encoding.startswith("UTF-8") else f"{encoding}, not UTF-8"


def encode_event(event: OrderEvent) -> str:
    """An event as JSON text: the envelope and the event's data."""
    data = "}" if event.data == "{}" else f",{event.data[1:]}"
    return (
        f'{{"orderId":"{event.order_id}","seq":{event.seq},"status":"{event.status.value}",'
        f'"at":"{format_time(event.at)}","attempt":{event.attempt}{data}'
    )


def add_cursor(text: str, cursor: str) -> str:
    """The JSON text of an event with a stream cursor added."""
    return f'{text[:-1]},"cursor":"{cursor}"}}'


def join_array(texts: Sequence[str]) -> str:
    """JSON texts joined to one JSON array."""
    return f"[{','.join(texts)}]"


def encode_order(record: OrderRecord, tokens: TokenRegistry, events: Sequence[OrderEvent]) -> bytes:
    """An order as JSON text, with the steps that its events were."""
    return orjson.dumps({**order_to_json(record, tokens), "steps": steps_to_json(events)})


def encode_order_page(
    records: Sequence[OrderRecord],
    tokens: TokenRegistry,
    next_cursor: str | None,
    complete_until: datetime | None,
) -> bytes:
    """A page of a list as JSON text: up to a thousand orders, in some milliseconds."""
    # One by one: a thousand objects alive at once would be new memory, which is slower.
    orders = b",".join([orjson.dumps(order_to_json(record, tokens)) for record in records])
    until = None if complete_until is None else format_time(complete_until)
    return b'{"orders":[%b],"next":%b,"completeUntil":%b}' % (
        *(orders, orjson.dumps(next_cursor), orjson.dumps(until)),
    )


def order_to_json(record: OrderRecord, tokens: TokenRegistry) -> dict[str, object]:
    """An order as a JSON object; every key is present, ``null`` for unknown values."""
    token_in = tokens.find(record.token_in, "tokenIn")
    token_out = tokens.find(record.token_out, "tokenOut")
    route = None if record.route is None else orjson.loads(record.route)
    return {
        "orderId": str(record.id),
        "clientOrderId": record.client_order_id,
        "batchId": _format_optional(record.batch_id),
        "parentId": _format_optional(record.parent_id),
        "ocoGroup": _format_optional(record.oco_group),
        **_show_bracket(record, token_in, token_out),
        "type": record.type,
        "tokenIn": record.token_in,
        "tokenOut": record.token_out,
        "amountIn": format_amount(record.amount_in, token_in.decimals),
        "minAmountOut": _format_optional_amount(record.min_amount_out, token_out.decimals),
        "slippageBps": record.slippage_bps,
        "maxPriceImpactBps": record.max_price_impact_bps,
        **_show_condition(record, token_in, token_out),
        "timeInForce": record.time_in_force,
        "expiresAt": None if record.expires_at is None else format_time(record.expires_at),
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
        "networkFeeLamports": record.network_fee_lamports,
        "lastError": record.last_error,
        "mayLandUntil": record.last_valid_height if record.status is Status.SUBMITTED else None,
        "cancelReason": record.cancel_reason,
        "nextAttemptAt": None
        if record.next_attempt_at is None
        else format_time(record.next_attempt_at),
        "createdAt": format_time(record.created_at),
        "updatedAt": format_time(record.updated_at),
    }


def _show_bracket(
    record: OrderRecord, token_in: Token, token_out: Token
) -> Mapping[str, object | None]:
    """The bracket of an order, and the orders that have come to be of it."""
    bracket = record.bracket
    if bracket is None:
        return _NO_BRACKET
    are_placed = record.amount_out is not None  # in the same commit
    ids = derive_child_ids(record.id, bracket) if are_placed else None
    return {
        "bracket": format_bracket(bracket, token_in, token_out),
        "childIds": None if ids is None else list(map(str, ids)),
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
    for quote in route["quotes"]:
        if quote["dex"] == record.dex:
            quoted_out = int(Decimal(quote["amountOut"]).scaleb(token_out.decimals))
            return format_slippage(quoted_out, record.amount_out)
    return None


def _format_optional(value: object | None) -> str | None:
    return None if value is None else str(value)


def _format_optional_amount(base_units: int | None, decimals: int) -> str | None:
    return None if base_units is None else format_amount(base_units, decimals)
