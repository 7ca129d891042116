"""The webhooks of an owner: ``/api/webhooks``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from backend.api.admission.refusals import require_scope
from backend.api.context import ApiContext
from backend.api.routes.parameters import QueryReader, enum_parser, integer_parser, parse_uuid
from backend.api.routes.place_orders import await_written
from backend.api.webhooks.messages import format_secret
from backend.api.wire.http import Request, Response, json_response, read_json_body
from backend.api.wire.problems import Problem
from backend.api.wire.webhooks.webhook_schema import (
    read_new_webhook,
    read_overlap,
    read_webhook_change,
)
from backend.domain.access.principals import OPEN_PRINCIPAL
from backend.domain.access.scopes import Scope
from backend.domain.times import format_time
from backend.domain.webhooks.webhook import DeliveryState, Webhook, format_message_id
from backend.runtime.observe_requests import get_request_id
from backend.store.audit_log.entries import Actor
from backend.store.webhooks.delivery_store import KEPT_MAX, DeliveryRow

DELIVERIES_DEFAULT: Final = 50
DELIVERIES_MAX: Final = KEPT_MAX
Found = TypeVar("Found")
_UNKNOWN_RESULT: Final = "whether it was done is not known: list the webhooks"


async def list_webhooks(api: ApiContext, request: Request) -> Response:
    """``GET /api/webhooks``: all of the caller."""
    webhooks = await api.webhooks.store.list_webhooks(request.owner)
    return json_response({"webhooks": [webhook_to_json(each) for each in webhooks]})


async def get_webhook(api: ApiContext, request: Request) -> Response:
    """``GET /api/webhooks/<webhookId>``."""
    return json_response(webhook_to_json(await _find(api, request)))


async def create_webhook(api: ApiContext, request: Request) -> Response:
    """``POST /api/webhooks``: the answer has its secret, which is shown nowhere else."""
    actor = _require_reader(api, request)
    new = read_new_webhook(read_json_body(request), api.webhooks.sender.policy)
    creation = api.webhooks.store.create(actor, request.owner, api.services.new_id(), new)
    created = await await_written(creation, _UNKNOWN_RESULT)
    api.webhooks.dispatcher.wake()
    return json_response(_show_secret(created.webhook, created.secret), 201)


async def change_webhook(api: ApiContext, request: Request) -> Response:
    """``PATCH /api/webhooks/<webhookId>``: its address, its filter, whether it is delivered."""
    actor = _require_reader(api, request)
    change = read_webhook_change(read_json_body(request), api.webhooks.sender.policy)
    id_ = _parse_id(request.path_variable)
    changing = api.webhooks.store.change(actor, request.owner, id_, change)
    changed = _require_found(await await_written(changing, _UNKNOWN_RESULT))
    api.webhooks.dispatcher.wake()
    return json_response(webhook_to_json(changed))


async def delete_webhook(api: ApiContext, request: Request) -> Response:
    """``DELETE /api/webhooks/<webhookId>``: with what was still to be delivered."""
    actor, id_ = _require_reader(api, request), _parse_id(request.path_variable)
    deletion = api.webhooks.store.delete(actor, request.owner, id_)
    deleted = _require_found(await await_written(deletion, _UNKNOWN_RESULT))
    api.webhooks.dispatcher.wake()
    return json_response(webhook_to_json(deleted))


async def rotate_webhook_secret(api: ApiContext, request: Request) -> Response:
    """``POST /api/webhooks/<webhookId>/rotate-secret``: both sign for a time."""
    actor, overlap = _require_reader(api, request), read_overlap(read_json_body(request))
    id_ = _parse_id(request.path_variable)
    rotation = api.webhooks.store.rotate(actor, request.owner, id_, overlap)
    rotated = _require_found(await await_written(rotation, _UNKNOWN_RESULT))
    api.webhooks.dispatcher.wake()
    return json_response(_show_secret(rotated.webhook, rotated.secret))


async def test_webhook(api: ApiContext, request: Request) -> Response:
    """``POST /api/webhooks/<webhookId>/test``: send a message that tells of no order, now."""
    _require_reader(api, request)
    webhook = await _find(api, request)
    signing = _require_found(await api.webhooks.store.read_secrets(request.owner, webhook.id))
    attempt = await api.webhooks.try_out(request.owner, webhook.url, signing)
    return json_response(
        {
            "delivered": attempt.is_delivered,
            "statusCode": attempt.status,
            "error": attempt.error or None,
            "durationMs": attempt.duration_ms,
        }
    )


async def list_webhook_deliveries(api: ApiContext, request: Request) -> Response:
    """``GET /api/webhooks/<webhookId>/deliveries``: the latest, the newest first."""
    query = QueryReader(request)
    limit = query.read_one("limit", integer_parser(1, DELIVERIES_MAX)) or DELIVERIES_DEFAULT
    state = query.read_one("state", enum_parser(DeliveryState))
    query.raise_errors()
    webhook = await _find(api, request)
    rows = await api.webhooks.deliveries.list_deliveries(webhook.id, limit, state)
    return json_response({"deliveries": [_delivery_to_json(row) for row in rows]})


def webhook_to_json(webhook: Webhook) -> dict[str, object]:
    """Convert a webhook to JSON for its owner: all but its secret."""
    return {
        "id": str(webhook.id),
        "url": webhook.url,
        "description": webhook.description,
        "eventTypes": list(webhook.event_types),
        "state": webhook.state,
        "createdAt": format_time(webhook.created_at),
        "disabledAt": _format_optional(webhook.disabled_at),
        "disabledWhy": webhook.disabled_why,
        "failingSince": _format_optional(webhook.failing_since),
        "nextAttemptAt": _format_optional(webhook.next_at),
        "pending": webhook.pending,
    }


def _show_secret(webhook: Webhook, secret: bytes) -> Mapping[str, object]:
    return {**webhook_to_json(webhook), "secret": format_secret(secret)}


def _delivery_to_json(row: DeliveryRow) -> dict[str, object]:
    state = DeliveryState.PENDING if row.delivered_at is None else DeliveryState.DELIVERED
    return {
        "id": format_message_id(row.order_id, row.seq),
        "type": row.type,
        "orderId": str(row.order_id),
        "seq": row.seq,
        "state": state,
        "attempts": row.attempts,
        "createdAt": format_time(row.created_at),
        "lastAttemptAt": _format_optional(row.last_at),
        "nextAttemptAt": _format_optional(row.next_at),
        "deliveredAt": _format_optional(row.delivered_at),
        "statusCode": row.last_status,
        "error": row.last_error,
        "durationMs": row.duration_ms,
    }


def _format_optional(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)


def _require_reader(api: ApiContext, request: Request) -> Actor:
    """The caller, for the audit log: a webhook tells what only ``read`` permits to read.

    Raises ``Problem`` (403).
    """
    principal = request.principal
    require_scope(principal, (Scope.READ,))
    is_open = principal.key_id == OPEN_PRINCIPAL.key_id
    who = principal.owner if is_open else f"{principal.owner} ({principal.key_id})"
    return Actor(who, api.public_address.find_client_address(request), get_request_id() or "")


async def _find(api: ApiContext, request: Request) -> Webhook:
    id_ = _parse_id(request.path_variable)
    return _require_found(await api.webhooks.store.find(request.owner, id_))


def _parse_id(text: str) -> UUID:
    try:
        return parse_uuid(text)
    except ValueError:
        raise _not_found() from None


def _require_found(found: Found | None) -> Found:
    if found is None:
        raise _not_found()
    return found


def _not_found() -> Problem:
    return Problem(404, "webhook_not_found", "there is no webhook with this id")
