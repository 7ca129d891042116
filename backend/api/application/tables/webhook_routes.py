"""The routes of webhooks."""

from __future__ import annotations

from typing import Final

from backend.api.route import Route, RouteDoc
from backend.api.routes.webhooks import manage_webhooks
from backend.domain.access.scopes import Scope

_PATH: Final = "/api/webhooks"
_ONE: Final = f"{_PATH}/<webhookId>"
_UNAVAILABLE: Final = (503,)
_CHANGES: Final = " Needs the scope `read` as well, as a webhook tells what that permits to read."

WEBHOOK_ROUTES: Final = (
    Route(
        "GET",
        _PATH,
        manage_webhooks.list_webhooks,
        RouteDoc(
            "List your webhooks", "webhooks", response="Webhooks", problem_statuses=_UNAVAILABLE
        ),
        scopes=(Scope.READ,),
    ),
    Route(
        "POST",
        _PATH,
        manage_webhooks.create_webhook,
        RouteDoc(
            "Have an address told of the events of your orders",
            "webhooks",
            response="CreatedWebhook",
            body="WebhookBody",
            status=201,
            problem_statuses=_UNAVAILABLE,
            description="Of what is committed from now on. Each event is one signed `POST` with the"
            " body of the webhook `orderEvent` below, at least once, and in the order of `seq` for"
            " each order. The `secret` is shown in this answer only." + _CHANGES,
        ),
        scopes=(Scope.TRADE,),
    ),
    Route(
        "POST",
        f"{_ONE}/rotate-secret",
        manage_webhooks.rotate_webhook_secret,
        RouteDoc(
            "Give a webhook a new secret",
            "webhooks",
            response="CreatedWebhook",
            body="RotateSecretBody",
            problem_statuses=_UNAVAILABLE,
            description="For the time of the overlap messages have a signature by each of both."
            + _CHANGES,
        ),
        scopes=(Scope.TRADE,),
    ),
    Route(
        "POST",
        f"{_ONE}/test",
        manage_webhooks.test_webhook,
        RouteDoc(
            "Send a test message to a webhook",
            "webhooks",
            response="WebhookTest",
            problem_statuses=(429, 503),
            description="Of type `webhook.test`, once, now; the answer says what came of it."
            + _CHANGES,
        ),
        scopes=(Scope.TRADE,),
    ),
    Route(
        "GET",
        f"{_ONE}/deliveries",
        manage_webhooks.list_webhook_deliveries,
        RouteDoc(
            "List the latest deliveries of a webhook, the newest first",
            "webhooks",
            response="WebhookDeliveries",
            problem_statuses=(400, 503),
            parameters=("limit (webhook)", "state (webhook)"),
        ),
        scopes=(Scope.READ,),
    ),
    Route(
        "GET",
        _ONE,
        manage_webhooks.get_webhook,
        RouteDoc("Read a webhook", "webhooks", response="Webhook", problem_statuses=_UNAVAILABLE),
        scopes=(Scope.READ,),
    ),
    Route(
        "PATCH",
        _ONE,
        manage_webhooks.change_webhook,
        RouteDoc(
            "Change, pause or start a webhook",
            "webhooks",
            response="Webhook",
            body="WebhookChangeBody",
            problem_statuses=_UNAVAILABLE,
            description="What could not be delivered is tried again at once; `enabled: true` starts"
            " one that was disabled where it stopped." + _CHANGES,
        ),
        scopes=(Scope.TRADE,),
    ),
    Route(
        "DELETE",
        _ONE,
        manage_webhooks.delete_webhook,
        RouteDoc(
            "Remove a webhook",
            "webhooks",
            response="Webhook",
            problem_statuses=_UNAVAILABLE,
            description="With what was still to be delivered. The answer is the webhook as it was."
            + _CHANGES,
        ),
        scopes=(Scope.TRADE,),
    ),
)
