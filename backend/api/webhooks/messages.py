"""Messages to receivers, signed after Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Final, NamedTuple

from standardwebhooks.webhooks import Webhook as Signer

from backend.api.wire.http import JSON_CONTENT_TYPE
from backend.api.wire.json import encode, encode_event
from backend.domain.orders import OrderEvent
from backend.domain.times import format_time
from backend.domain.webhooks.webhook import SigningSecrets, format_message_id, get_event_type
from backend.runtime import order_traces
from backend.runtime.order_traces import TRACEPARENT

BODY_BYTES_MAX: Final = 65_536
"""Most bytes of a message: of an event that takes more, what is beyond its envelope is left out."""
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what all of them begin with


class Message(NamedTuple):
    """A message with its id, before it is signed."""

    id: str
    body: str
    traceparent: str | None = None
    """Names the trace of its order to the receiver."""


def format_secret(secret: bytes) -> str:
    """A secret as its owner is shown it."""
    return f"{_SECRET_PREFIX}{base64.b64encode(secret).decode()}"


def build_message(event: OrderEvent) -> Message:
    """The message with an event: the same at every attempt."""
    message = _build(event)
    if len(message.body.encode()) <= BODY_BYTES_MAX:
        return message
    return _build(event._replace(data='{"truncated":true}'))


def _build(event: OrderEvent) -> Message:
    kind, at, data = get_event_type(event.status), format_time(event.at), encode_event(event)
    body = f'{{"type":"{kind}","timestamp":"{at}","data":{data}}}'
    traceparent = order_traces.find_traceparent(event.order_id)
    return Message(format_message_id(event.order_id, event.seq), body, traceparent)


def build_test_message(id_: str, kind: str, at: datetime) -> Message:
    """A message that tells of no order."""
    body = {"type": kind, "timestamp": format_time(at), "data": {}}
    return Message(f"evt_{id_}", encode(body))


def sign_message(message: Message, secrets: SigningSecrets, at: datetime) -> dict[str, str]:
    """The headers of an attempt at a time, with a signature by each valid secret."""
    valid = (secrets.current, secrets.earlier)
    signatures = [
        Signer(each).sign(message.id, at, message.body) for each in valid if each is not None
    ]
    return {
        **({TRACEPARENT: message.traceparent} if message.traceparent else {}),
        "Content-Type": JSON_CONTENT_TYPE,
        "Webhook-Id": message.id,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": " ".join(signatures),
    }
