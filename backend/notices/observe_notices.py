"""Logs and metrics of notices: one function for each event. None repeats an address."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_sent = Counter("notices_sent", "Messages to operators that a service has taken")
_failed = Counter("notices_failed", "Messages to operators that a service has not taken")
_dropped = Counter("notices_dropped", "Messages to operators that no service has taken in time")


def message_sent(service: str) -> None:
    """A service has taken a message."""
    _sent.inc()
    _log.info("operators were told", service=service)


def message_failed(service: str) -> None:
    """A service has not taken a message."""
    _failed.inc()
    _log.error("a service takes no message for operators", service=service)


def message_dropped(body: str) -> None:
    """No service has taken a message, however often it was sent: the log has it."""
    _dropped.inc()
    _log.error("operators could not be told", message=body)


def read_failed(error: Exception) -> None:
    """What operators must hear could not be read; the next look tries again."""
    _log.warning("notices were not read", error=repr(error))
