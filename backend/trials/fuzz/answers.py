"""What an answer to an odd request may be: it is an answer, or a problem that says what is odd."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from backend.trials.fuzz.odd_requests import OddRequest

_PROBLEM: Final = "application/problem+json"
_WITH_FIELDS: Final = 422
_WITHOUT_FIELDS: Final = frozenset({"filter_required", "batch_refused"})
"""What is refused for no field of its own; a batch has the problem of each of its orders."""
_NO_OBJECT: Final = "is not an object"


RETRY_AFTER_S_MAX: Final = 10


class RefusedForNow(Exception):
    """A request is answered 503: it is to be sent again after ``retry_after_s`` seconds."""

    def __init__(self, text: str, retry_after_s: int) -> None:
        super().__init__(f"503 {text[:300]}")
        self.retry_after_s = retry_after_s


class _NotAnObjectError(Exception):
    """An answer is no JSON object; the message says what it is not."""


def require_answer(status: int, headers: Mapping[str, str], text: str) -> None:
    """Raise ``RefusedForNow`` if an answer over HTTP says when the request may be sent again."""
    delay = headers.get("Retry-After", "")
    is_told = delay.isdecimal() and int(delay) <= RETRY_AFTER_S_MAX
    if status == HTTPStatus.SERVICE_UNAVAILABLE and is_told:
        raise RefusedForNow(text, int(delay))


def require_placement(text: str) -> None:
    """Raise ``RefusedForNow`` if the problem in a socket's frame is one that passes."""
    with suppress(_NotAnObjectError):
        if _parse_object(text).get("status") == HTTPStatus.SERVICE_UNAVAILABLE:
            raise RefusedForNow(text, 1)


def find_faults(request: OddRequest, status: int, content_type: str, text: str) -> Iterator[str]:
    """Find what is wrong with an answer over HTTP."""
    if status >= 500:
        yield f"{status} {text[:300]}"
        return
    try:
        answer = _parse_object(text)
    except _NotAnObjectError as error:
        if status >= 400 or request.method == "POST":
            yield f"{status}: {error}: {text[:300]}"
        return
    if status >= 400:
        fault = find_problem_fault(text, status)
        if not content_type.startswith(_PROBLEM):
            fault = f"is {content_type}, and no problem"
        if fault is not None:
            yield f"{status}: {fault}: {text[:300]}"
    if request.is_batch:
        yield from _find_entry_faults(answer)


def _find_entry_faults(answer: Mapping[str, Any]) -> Iterator[str]:
    for entry in answer.get("orders", ()):
        if not isinstance(entry, dict):
            yield f"an order of a batch: {_NO_OBJECT}: {entry}"
            continue
        fault = find_problem_fault(json.dumps(entry["problem"])) if "problem" in entry else None
        if fault is not None:
            yield f"an order of a batch: {fault}: {entry}"


def find_problem_fault(text: str, status: int | None = None) -> str | None:
    """What a problem lacks, ``None`` if it names a code, and each field that is wrong."""
    try:
        problem = _parse_object(text)
    except _NotAnObjectError as error:
        return str(error)
    errors = problem.get("errors", [])
    is_of_fields = problem.get("status") == _WITH_FIELDS
    checks = {
        "names another status": status in {None, problem.get("status")},
        "has no code or no detail": problem.get("code") and problem.get("detail"),
        "is an internal error": problem.get("status", 500) < 500,
        "names no field": not is_of_fields or errors or problem.get("code") in _WITHOUT_FIELDS,
        "has an error without a field, code or reason": all(
            isinstance(error, dict)
            and {"field", "code", "reason"} <= error.keys()
            and error["reason"]
            for error in errors
        ),
    }
    return next((fault for fault, is_good in checks.items() if not is_good), None)


def list_order_ids(text: str) -> Iterator[str]:
    """The orders that an answer says to be accepted."""
    try:
        reply = _parse_object(text)
    except _NotAnObjectError:
        return  # a fault that ``find_faults`` tells of
    for entry in reply.get("orders", [reply]):
        if isinstance(entry, dict) and "orderId" in entry:
            yield str(entry["orderId"])


def _parse_object(text: str) -> dict[str, Any]:
    """The object that a text is. Raises ``_NotAnObjectError``."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        raise _NotAnObjectError("is not JSON") from None
    if not isinstance(value, dict):
        raise _NotAnObjectError(_NO_OBJECT)
    return value
