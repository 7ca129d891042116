"""JSON on the wire: read exactly, written once.

Numbers become integers or decimals, never floats. An event is the JSON text that the journal has
with an envelope around it, and is not parsed on its way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from backend.api.wire.problems import Problem
from backend.domain.amounts import format_amount
from backend.domain.orders import Event, Record
from backend.domain.tokens import Tokens

DIGITS_MAX = 40


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same key twice")
    return members


def _integer(text: str) -> int | str:
    # No number that anybody asks for is longer; as text it is refused where its field is known.
    return int(text) if len(text) <= DIGITS_MAX else text


def _decimal(text: str) -> Decimal | str:
    if len(text) > DIGITS_MAX:
        return text
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what decimals have
        return text


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_decimal, parse_constant=Decimal
)
_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)

encode = _encoder.encode
"""A value as compact JSON text."""


def decode(body: bytes | str) -> object:
    """The value of a JSON text.

    ``NaN`` and infinities, which JSON does not have, come out as such for their field to refuse.
    Raises ``Problem`` (400 ``malformed_json``) for what is no JSON.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        return _decoder.decode(text)
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except ValueError as error:
        reason = str(error) if text else "it is empty"
    raise Problem(400, "malformed_json", f"the body is not JSON: {reason}")


def instant(at: datetime) -> str:
    """A time in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_text(event: Event) -> str:
    """An event as the JSON text that clients get."""
    data = "}" if event.data == "{}" else f",{event.data[1:]}"
    return (
        f'{{"orderId":"{event.order_id}","seq":{event.seq},"status":"{event.status.value}",'
        f'"at":"{instant(event.at)}","attempt":{event.attempt}{data}'
    )


def with_cursor(text: str, cursor: str) -> str:
    """The text of an event that also says where it stands in the stream."""
    return f'{text[:-1]},"cursor":"{cursor}"}}'


def array(texts: Sequence[str]) -> str:
    """Several JSON texts as one array."""
    return f"[{','.join(texts)}]"


def order_json(record: Record, tokens: Tokens) -> dict[str, object]:
    """An order as clients get it: every key is there, ``null`` where nothing is known."""
    token_in = tokens.find(record.token_in, "tokenIn")
    token_out = tokens.find(record.token_out, "tokenOut")
    return {
        "orderId": str(record.id),
        "clientOrderId": record.client_order_id,
        "batchId": _text(record.batch_id),
        "type": record.type,
        "tokenIn": record.token_in,
        "tokenOut": record.token_out,
        "amountIn": format_amount(record.amount_in, token_in.decimals),
        "minAmountOut": _amount(record.min_amount_out, token_out.decimals),
        "slippageBps": record.slippage_bps,
        "status": record.status,
        "seq": record.seq,
        "attempts": record.attempts,
        "dex": record.dex,
        "route": None if record.route is None else json.loads(record.route),
        "txHash": record.tx_hash,
        "amountOut": _amount(record.amount_out, token_out.decimals),
        "executedPrice": None if record.executed_price is None else f"{record.executed_price:f}",
        "lastError": record.last_error,
        "nextAttemptAt": None
        if record.next_attempt_at is None
        else instant(record.next_attempt_at),
        "createdAt": instant(record.created_at),
        "updatedAt": instant(record.updated_at),
    }


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _amount(base_units: int | None, decimals: int) -> str | None:
    return None if base_units is None else format_amount(base_units, decimals)
