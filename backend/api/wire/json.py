"""JSON on the wire: exact decoding of requests, encoding of orders and events.

Numbers become integers or decimals, never floats. The data of an event is JSON text in the journal
and is put into its envelope without being parsed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import orjson

from backend.api.wire.problems import Problem
from backend.domain.amounts import format_amount
from backend.domain.orders import OrderEvent, OrderRecord
from backend.domain.tokens import TokenRegistry

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors write before a text in UTF-8; it means nothing there."""
DIGITS_MAX = 40
"""Most characters of a number."""


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


def decode(body: bytes | str) -> object:
    """The value of a JSON text.

    ``NaN`` and infinities, which JSON does not have, are decoded for their field to refuse.
    A byte order mark before it is skipped.
    Raises ``Problem`` (400 ``malformed_json``) if the text is not JSON in UTF-8.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
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


def _detect_other_encoding(body: bytes) -> str:
    """Which encoding a body that is not JSON has instead of UTF-8; empty if it may be UTF-8."""
    if body.startswith(b"\x1f\x8b"):
        return "compressed by gzip, and no Content-Encoding says so"
    encoding = json.detect_encoding(body).upper()
    return "" if encoding.startswith("UTF-8") else f"{encoding}, not UTF-8"


def format_time(at: datetime) -> str:
    """A time in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


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


def encode_order(record: OrderRecord, tokens: TokenRegistry) -> bytes:
    """An order as JSON text."""
    return orjson.dumps(_order_to_json(record, tokens))


def encode_order_page(
    records: Sequence[OrderRecord], tokens: TokenRegistry, next_cursor: str | None
) -> bytes:
    """A page of a list as JSON text: up to a thousand orders, in some milliseconds."""
    orders = [_order_to_json(record, tokens) for record in records]
    return orjson.dumps({"orders": orders, "next": next_cursor})


def _order_to_json(record: OrderRecord, tokens: TokenRegistry) -> dict[str, object]:
    """An order as a JSON object; every key is present, ``null`` for unknown values."""
    token_in = tokens.find(record.token_in, "tokenIn")
    token_out = tokens.find(record.token_out, "tokenOut")
    return {
        "orderId": str(record.id),
        "clientOrderId": record.client_order_id,
        "batchId": _format_optional(record.batch_id),
        "type": record.type,
        "tokenIn": record.token_in,
        "tokenOut": record.token_out,
        "amountIn": format_amount(record.amount_in, token_in.decimals),
        "minAmountOut": _format_optional_amount(record.min_amount_out, token_out.decimals),
        "slippageBps": record.slippage_bps,
        "maxPriceImpactBps": record.max_price_impact_bps,
        "status": record.status,
        "seq": record.seq,
        "attempts": record.attempts,
        "dex": record.dex,
        "route": None if record.route is None else orjson.Fragment(record.route),
        "txHash": record.tx_hash,
        "amountOut": _format_optional_amount(record.amount_out, token_out.decimals),
        "amountKnown": record.amount_out is not None,
        "executedPrice": None if record.executed_price is None else f"{record.executed_price:f}",
        "lastError": record.last_error,
        "nextAttemptAt": None
        if record.next_attempt_at is None
        else format_time(record.next_attempt_at),
        "createdAt": format_time(record.created_at),
        "updatedAt": format_time(record.updated_at),
    }


def _format_optional(value: object | None) -> str | None:
    return None if value is None else str(value)


def _format_optional_amount(base_units: int | None, decimals: int) -> str | None:
    return None if base_units is None else format_amount(base_units, decimals)
