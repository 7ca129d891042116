"""Logs and metrics of webhooks: one function for each event. None has an address."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_attempts = Counter("webhook_attempts", "Attempts to deliver to webhooks", ["outcome"])
_attempt_s = Histogram(
    "webhook_attempt_seconds",
    "Duration of attempts to deliver to webhooks",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30),
)
_held = Gauge("webhooks_held", "Webhooks that this process delivers")
_disabled = Counter("webhooks_disabled", "Webhooks that could not be delivered and were disabled")


def attempt_made(outcome: str, duration_ms: int) -> None:
    """An attempt has ended; the outcome is ``delivered`` or the code of its error."""
    _attempts.labels(outcome).inc()
    _attempt_s.observe(duration_ms / 1000)


def webhooks_held(count: int) -> None:
    """This process delivers so many webhooks from now on."""
    _held.set(count)


def webhook_disabled(webhook_id: UUID, owner: str, why: str) -> None:
    """A webhook is not delivered any more until its owner starts it again."""
    _disabled.inc()
    _log.error("a webhook is disabled", webhook=str(webhook_id), owner=owner, why=why)


def store_failed(error: Exception) -> None:
    """A statement of webhooks has failed; it is repeated."""
    _log.warning("webhooks wait for PostgreSQL", error=repr(error))


def delivery_failed(webhook_id: UUID, error: Exception) -> None:
    """An unexpected error while a webhook was delivered; it goes on after a pause."""
    _log.error("a webhook could not be delivered", webhook=str(webhook_id), exc_info=error)
