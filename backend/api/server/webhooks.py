"""The webhooks of an API process, wired."""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random

from backend.api.delivery.feed_tail import FeedTail
from backend.api.webhooks.dispatcher import WebhookDispatcher
from backend.api.webhooks.sender import MessageSender
from backend.api.webhooks.services import WebhookServices
from backend.api.wire.public_address import parse_networks
from backend.api.wire.webhooks.receiver_addresses import ReceiverPolicy
from backend.engine.api_services import ApiServices
from backend.store.webhooks.delivery_store import DeliveryStore
from backend.store.webhooks.lease_store import WebhookLeases
from backend.store.webhooks.webhook_store import WebhookStore


def build_webhooks(services: ApiServices, tail: FeedTail) -> WebhookServices:
    """What delivers webhooks, and what the routes of webhooks work with."""
    settings, pool = services.settings, services.pool
    policy = ReceiverPolicy(
        parse_networks(settings.webhook_networks), allows_http=settings.webhook_http
    )
    sender = MessageSender(policy, timeout_s=settings.webhook_timeout_s, now=services.now)
    deliveries = DeliveryStore(pool, failing_max=timedelta(seconds=settings.webhook_failing_max_s))
    lease = timedelta(seconds=settings.webhook_lease_s)
    dispatcher = WebhookDispatcher(
        WebhookLeases(pool, services.new_id(), duration=lease),
        deliveries,
        sender,
        tail=tail,
        feed=services.past_events,
        random=Random(f"{settings.seed} {os.getpid()}"),  # noqa: S311 - jitter, not a secret
        backoff_ms=round(settings.webhook_backoff_s * 1_000),
    )
    store = WebhookStore(pool, own_max=settings.owner_webhooks_max)
    return WebhookServices(store, deliveries, sender, dispatcher)
