"""The bodies of the requests that make and change webhooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from backend.api.wire.body_fields import validate_fields
from backend.api.wire.fields import Flag, integral_to_int
from backend.api.wire.problems import FieldError, invalid_fields
from backend.api.wire.webhooks.receiver_addresses import URL_LENGTH_MAX, ReceiverPolicy
from backend.domain.webhooks.webhook import EVENT_TYPES, WebhookState
from backend.store.webhooks.webhook_store import NewWebhook, WebhookChange

DESCRIPTION_LENGTH_MAX: Final = 200
OVERLAP_S: Final = 86_400
OVERLAP_MAX_S: Final = 604_800
_EVENT_TYPES_SCHEMA: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "string", "enum": list(EVENT_TYPES)},
    "maxItems": len(EVENT_TYPES),
    "description": "Which events are told, of those that come from then on; empty for all.",
}
_URL_DESCRIPTION: Final = (
    "Begins with `https://`, and leads to a public network, whatever its name resolves to."
)
EventTypes = Annotated[list[str], Field(json_schema_extra=_EVENT_TYPES_SCHEMA)]


def _require_url(schema: dict[str, Any]) -> None:
    schema["required"] = ["url"]


class WebhookChangeBody(BaseModel):
    """What is changed of a webhook."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(None, max_length=URL_LENGTH_MAX, description=_URL_DESCRIPTION)
    eventTypes: EventTypes | None = None  # noqa: N815 - its name on the wire
    description: str | None = Field(None, max_length=DESCRIPTION_LENGTH_MAX)
    enabled: Flag | None = Field(
        None,
        description="`false` pauses it. `true` goes on where it stopped, with nothing left out.",
    )


class WebhookBody(BaseModel):
    """A webhook that is to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_require_url)

    url: str | None = Field(None, max_length=URL_LENGTH_MAX, description=_URL_DESCRIPTION)
    eventTypes: EventTypes | None = None  # noqa: N815 - its name on the wire
    description: str | None = Field(None, max_length=DESCRIPTION_LENGTH_MAX)


class RotateSecretBody(BaseModel):
    """How long the earlier secret signs as well."""

    model_config = ConfigDict(extra="forbid")

    overlapS: (  # noqa: N815 - its name on the wire
        Annotated[int, Field(strict=True, ge=0, le=OVERLAP_MAX_S), BeforeValidator(integral_to_int)]
        | None
    ) = Field(None, description=f"Seconds; by default {OVERLAP_S}.")


def read_new_webhook(raw: object, policy: ReceiverPolicy) -> NewWebhook:
    """The webhook of a body. Raises ``Problem`` (422) with all invalid fields."""
    errors: list[FieldError] = []
    body, _ = validate_fields(WebhookBody, raw, errors)
    if body.url is None and not any(each.field == "url" for each in errors):
        errors.append(FieldError("url", "missing_field", "is required"))
    _check_fields(body.url, body.eventTypes, body.description, policy, errors)
    if errors or body.url is None:
        raise invalid_fields(errors)
    return NewWebhook(body.url, tuple(dict.fromkeys(body.eventTypes or ())), body.description or "")


def read_webhook_change(raw: object, policy: ReceiverPolicy) -> WebhookChange:
    """The change of a body. Raises ``Problem`` (422) with all invalid fields."""
    errors: list[FieldError] = []
    body, _ = validate_fields(WebhookChangeBody, raw, errors)
    _check_fields(body.url, body.eventTypes, body.description, policy, errors)
    if not errors and body.model_dump(exclude_none=True) == {}:
        errors.append(FieldError("", "missing_field", "nothing is given that is to be changed"))
    if errors:
        raise invalid_fields(errors)
    types = None if body.eventTypes is None else tuple(dict.fromkeys(body.eventTypes))
    state = None
    if body.enabled is not None:
        state = WebhookState.ACTIVE if body.enabled else WebhookState.PAUSED
    return WebhookChange(body.url, types, body.description, state)


def read_overlap(raw: object) -> timedelta:
    """How long the earlier secret signs as well. Raises ``Problem`` (422)."""
    errors: list[FieldError] = []
    body, _ = validate_fields(RotateSecretBody, raw, errors)
    if errors:
        raise invalid_fields(errors)
    return timedelta(seconds=OVERLAP_S if body.overlapS is None else body.overlapS)


def _check_fields(
    url: str | None,
    event_types: list[str] | None,
    description: str | None,
    policy: ReceiverPolicy,
    errors: list[FieldError],
) -> None:
    if url is not None and (fault := policy.find_fault(url)):
        errors.append(FieldError("url", "invalid_field", fault))
    unknown = [each for each in event_types or () if each not in EVENT_TYPES]
    if unknown:
        reason = f"has what is no type of events: there are {', '.join(EVENT_TYPES)}"
        errors.append(FieldError("eventTypes", "invalid_field", reason))
    if description is not None and not (description.isprintable() or not description):
        errors.append(FieldError("description", "invalid_field", "must be printable, of one line"))
