"""What an answer to an odd request may be: it is an answer, or a problem that says what is odd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from backend.trials.fuzz.odd_requests import OddRequest

_PROBLEM: Final = "application/problem+json"
_WITH_FIELDS: Final = 422
_WITHOUT_FIELDS: Final = frozenset({"filter_required", "batch_refused"})
"""What is refused for no field of its own; a batch has the problem of each of its orders."""


def find_faults(request: OddRequest, status: int, content_type: str, text: str) -> Iterator[str]:
    """Find what is wrong with an answer over HTTP."""
    if status >= 500:
        yield f"{status} {text[:300]}"
        return
    if status >= 400:
        fault = find_problem_fault(text, status)
        if not content_type.startswith(_PROBLEM):
            fault = f"is {content_type}, and no problem"
        if fault is not None:
            yield f"{status}: {fault}: {text[:300]}"
    if request.is_batch:
        yield from _find_entry_faults(text)


def _find_entry_faults(text: str) -> Iterator[str]:
    for entry in json.loads(text).get("orders", ()):
        fault = find_problem_fault(json.dumps(entry["problem"])) if "problem" in entry else None
        if fault is not None:
            yield f"an order of a batch: {fault}: {entry}"


def find_problem_fault(text: str, status: int | None = None) -> str | None:
    """What a problem lacks, ``None`` if it names a code, and each field that is wrong."""
    try:
        problem: Any = json.loads(text)
    except ValueError:
        return "is not JSON"
    errors = problem.get("errors", [])
    is_of_fields = problem.get("status") == _WITH_FIELDS
    checks = {
        "names another status": status in {None, problem.get("status")},
        "has no code or no detail": problem.get("code") and problem.get("detail"),
        "is an internal error": problem.get("status", 500) < 500,
        "names no field": not is_of_fields or errors or problem.get("code") in _WITHOUT_FIELDS,
        "has an error without a field, code or reason": all(
            {"field", "code", "reason"} <= error.keys() and error["reason"] for error in errors
        ),
    }
    return next((fault for fault, is_good in checks.items() if not is_good), None)


def list_order_ids(text: str) -> Iterator[str]:
    """The orders that an answer says to be accepted."""
    reply: Any = json.loads(text)
    for entry in reply.get("orders", [reply]):
        if "orderId" in entry:
            yield str(entry["orderId"])
