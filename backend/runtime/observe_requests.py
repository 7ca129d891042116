"""The id of the request that a task serves: in its log lines, responses and problems."""

from __future__ import annotations

from contextvars import ContextVar

from backend.runtime.structured_log import structlog

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def bind_request_id(request_id: str) -> None:
    """Add the id to every log line of this task, and of the tasks that it starts, from now on."""
    _request_id.set(request_id)


def get_request_id() -> str | None:
    """The id of the request that this task serves."""
    return _request_id.get()


def add_request_id(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Add the id to a log line; a processor of ``structlog``."""
    request_id = _request_id.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event
