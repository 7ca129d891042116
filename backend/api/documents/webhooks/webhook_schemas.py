"""The JSON Schemas of webhooks, and the description of what receivers get."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    BOOLEAN,
    ID,
    NON_NEGATIVE_INTEGER,
    POSITIVE_INTEGER,
    STRING,
    TIME,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
    schema_ref,
)
from backend.api.wire.http import JSON_CONTENT_TYPE
from backend.domain.webhooks.webhook import EVENT_TYPES, DeliveryState, WebhookState

_EVENT_TYPE: Final[Schema] = {"type": "string", "enum": list(EVENT_TYPES)}
_MESSAGE_ID: Final[Schema] = {
    **STRING,
    "description": "The `webhook-id` of the message: the same at every attempt.",
}
_WEBHOOK: Final[Schema] = {
    "id": ID,
    "url": STRING,
    "description": STRING,
    "eventTypes": {**array_schema(_EVENT_TYPE), "description": "Empty: all."},
    "state": {"type": "string", "enum": [*WebhookState]},
    "createdAt": TIME,
    "disabledAt": nullable_schema(TIME),
    "disabledWhy": nullable_schema(STRING),
    "failingSince": {
        **nullable_schema(TIME),
        "description": "Since when nothing could be delivered.",
    },
    "nextAttemptAt": {**nullable_schema(TIME), "description": "No attempt is made before."},
    "pending": {
        **NON_NEGATIVE_INTEGER,
        "description": "Deliveries that are to be made, of those that are stored: a few hundred at"
        " most, the events behind them are in the feed.",
    },
}

WEBHOOK_SCHEMAS: Final[dict[str, Schema]] = {
    "Webhook": object_schema(_WEBHOOK),
    "CreatedWebhook": object_schema({**_WEBHOOK, "secret": STRING}),
    "Webhooks": object_schema({"webhooks": array_schema(schema_ref("Webhook"))}),
    "WebhookTest": object_schema(
        {
            "delivered": BOOLEAN,
            "statusCode": nullable_schema(NON_NEGATIVE_INTEGER),
            "error": nullable_schema(STRING),
            "durationMs": NON_NEGATIVE_INTEGER,
        }
    ),
    "WebhookDelivery": object_schema(
        {
            "id": _MESSAGE_ID,
            "type": _EVENT_TYPE,
            "orderId": ID,
            "seq": POSITIVE_INTEGER,
            "state": {"type": "string", "enum": [*DeliveryState]},
            "attempts": NON_NEGATIVE_INTEGER,
            "createdAt": TIME,
            "lastAttemptAt": nullable_schema(TIME),
            "nextAttemptAt": nullable_schema(TIME),
            "deliveredAt": nullable_schema(TIME),
            "statusCode": nullable_schema(NON_NEGATIVE_INTEGER),
            "error": {
                **nullable_schema(STRING),
                "description": "A code and a sentence: why the last attempt has failed.",
            },
            "durationMs": nullable_schema(NON_NEGATIVE_INTEGER),
        }
    ),
    "WebhookDeliveries": object_schema({"deliveries": array_schema(schema_ref("WebhookDelivery"))}),
    "WebhookMessage": object_schema(
        {"type": _EVENT_TYPE, "timestamp": TIME, "data": schema_ref("Event")}
    ),
}

_HEADERS: Final[dict[str, str]] = {
    "webhook-id": "The id of the message, the same at every attempt: what tells repeats.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the Base64 of an HMAC-SHA256 over id, timestamp and body with"
    " points between them; of two secrets, with a blank between them.",
}


def build_webhooks() -> Schema:
    """What is sent to receivers: the part ``webhooks`` of the OpenAPI document."""
    operation: Schema = {
        "operationId": "receiveOrderEvent",
        "summary": "An event of an order, signed after Standard Webhooks",
        "description": "Sent at least once, and in the order of `seq` for each order, until it is"
        " answered by 2xx. 410 ends the webhook; redirects are not followed.",
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": STRING,
            }
            for name, description in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {JSON_CONTENT_TYPE: {"schema": schema_ref("WebhookMessage")}},
        },
        "responses": {"2XX": {"description": "Taken"}, "410": {"description": "No more, please"}},
    }
    return {"orderEvent": {"post": operation}}
