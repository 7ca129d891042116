"""Webhooks: addresses that owners have told of what becomes of their orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from backend.domain.lifecycle import Status

TEST_TYPE: Final = "webhook.test"
"""The type of what is sent to try a webhook."""
_TYPE_PREFIX: Final = "order."


class WebhookState(StrEnum):
    """Whether a webhook is delivered."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Its owner has stopped it."""
    DISABLED = "disabled"
    """The engine has stopped it: nothing could be delivered for a day, or the receiver is gone."""


class DeliveryState(StrEnum):
    """Whether a receiver has taken a message."""

    PENDING = "pending"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as its owner sees it; ``event_types`` is empty for all."""

    id: UUID
    owner: str
    url: str
    description: str
    event_types: tuple[str, ...]
    state: WebhookState
    created_at: datetime
    disabled_at: datetime | None
    disabled_why: str | None
    failing_since: datetime | None
    next_at: datetime | None
    pending: int
    """How many deliveries are stored and not made yet; what the feed has beyond is not counted."""


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """What a webhook is signed with: the secret, and the one before while both are valid."""

    current: bytes = field(repr=False)
    earlier: bytes | None = field(default=None, repr=False)


def get_event_type(status: Status) -> str:
    """The type of the event that tells that an order has this status."""
    return f"{_TYPE_PREFIX}{status.value}"


EVENT_TYPES: Final = tuple(get_event_type(status) for status in Status)


def format_message_id(order_id: UUID, seq: int) -> str:
    """The id of the message with an event: the same at every attempt."""
    return f"evt_{order_id.hex}_{seq}"
