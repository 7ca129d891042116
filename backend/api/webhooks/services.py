"""What the routes of webhooks work with, and the trials that owners ask for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from backend.api.webhooks.dispatcher import WebhookDispatcher
from backend.api.webhooks.messages import build_test_message
from backend.api.webhooks.sender import Attempt, MessageSender
from backend.api.wire.problems import retry_later
from backend.domain.webhooks.webhook import TEST_TYPE, SigningSecrets
from backend.engine.api_services import now
from backend.store.webhooks.delivery_store import DeliveryStore
from backend.store.webhooks.webhook_store import WebhookStore


@dataclass(frozen=True, slots=True)
class WebhookServices:
    """The webhooks of owners, their deliveries, and what sends them."""

    store: WebhookStore
    deliveries: DeliveryStore
    sender: MessageSender
    dispatcher: WebhookDispatcher
    _owners_in_trial: set[str] = field(default_factory=set)

    async def try_out(self, owner: str, url: str, signing: SigningSecrets) -> Attempt:
        """Send a message that tells of no order. Raises ``Problem`` (429) during another one."""
        with self._hold_trial(owner):
            message = build_test_message(secrets.token_hex(16), TEST_TYPE, now())
            return await self.sender.send(url, message, signing, owner=owner)

    @contextmanager
    def _hold_trial(self, owner: str) -> Iterator[None]:
        if owner in self._owners_in_trial:
            detail = "a test delivery is under way: wait until it has been answered"
            raise retry_later("test_under_way", detail, status=429)
        self._owners_in_trial.add(owner)
        try:
            yield
        finally:
            self._owners_in_trial.discard(owner)
