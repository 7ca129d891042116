"""JSON on the wire: exact decoding of requests, encoding of responses and events.

Numbers become integers or decimals, never floats. The data of an event is JSON text in the journal
and is put into its envelope without being parsed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from backend.api.wire.problems import Problem
from backend.domain.orders import OrderEvent
from backend.domain.times import format_time

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors write before a text in UTF-8; it means nothing there."""
DIGITS_MAX = 40
"""Most characters of a number."""
ORDER_VALUES_MAX = 256
"""Most values in the text of a single order, a few times what an order may have."""
BATCH_VALUES_PER_ORDER_MAX = 32
"""Most values in the text of a batch for each order that a batch may have."""
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
