"""Problems: every error that a client sees, as RFC 9457 ``application/problem+json``.

``code`` is a stable word for programs, ``detail`` a sentence for people. Errors of a field carry
the field's name as the client wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from backend.domain.errors import IdempotencyKeyReused, InvalidInput, Rejected, Transient
from backend.domain.limits.order_limits import LimitName
from backend.domain.limits.refusals import TEMPORARY, LimitExceeded

PROBLEM_CONTENT_TYPE = "application/problem+json"
ERRORS_MAX = 20
"""Most field errors that one problem lists."""
RETRY_AFTER_S = 1

INTERNAL_ERROR = "an internal error; it has been logged"
_REUSED_FIELDS = {
    "idempotency_key_reused": "Idempotency-Key",
    "client_order_id_reused": "clientOrderId",
}
"""The header or field that clients know each reused key by."""


class FieldError(NamedTuple):
    """An error in one field; the empty name is the whole body."""

    field: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class Problem(Exception):
    """An error response; ``members`` are its extension members."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        self.members = members or {}

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

    def to_json(
        self, instance: str | None = None, request_id: str | None = None
    ) -> dict[str, object]:
        """The members of the problem document; ``instance`` is the path of the request."""
        problem: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if instance is not None:
            problem["instance"] = instance
        if request_id is not None:
            problem["requestId"] = request_id
        if self.errors:
            problem["errors"] = [error._asdict() for error in self.errors]
        return {**problem, **self.members}


def invalid_fields(errors: Sequence[FieldError], status: int = 422) -> Problem:
    """The problem of a request with invalid fields; ``errors`` must not be empty."""
    shown = errors[:ERRORS_MAX]
    codes = {error.code for error in errors}
    code = codes.pop() if len(codes) == 1 else "invalid_fields"
    return Problem(status, code, "; ".join(map(str, shown)), errors=shown)


def retry_later(
    code: str, detail: str, *, status: int = 503, after_s: int = RETRY_AFTER_S
) -> Problem:
    """The problem of a request that may succeed in ``after_s`` seconds."""
    return Problem(status, code, detail, headers={"Retry-After": str(after_s)})


def to_problem(error: Exception) -> Problem:
    """Convert an error of the engine to a problem.

    Any other error is an internal one, of which no detail is revealed.
    """
    match error:
        case Problem():
            return error
        case InvalidInput(field=field, code=code, reason=reason):
            return invalid_fields([FieldError(field, code, reason)])
        case LimitExceeded():
            return _limit_to_problem(error)
        case IdempotencyKeyReused(code=code, reason=reason):
            return invalid_fields([FieldError(_REUSED_FIELDS[code], code, reason)])
        case _:
            return _engine_error_to_problem(error)


def _limit_to_problem(error: LimitExceeded) -> Problem:
    is_temporary = error.name in TEMPORARY
    headers = {"Retry-After": str(RETRY_AFTER_S)} if is_temporary else {}
    if error.name is LimitName.ORDERS_PER_SECOND:
        headers["RateLimit"] = f'"owner";r={error.members["left"]};t=1'
        headers["RateLimit-Policy"] = f'"owner";q={error.members["limit"]};w=1'
    status = HTTPStatus.TOO_MANY_REQUESTS if is_temporary else HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, error.code, error.reason, headers=headers, members=error.members)


def _engine_error_to_problem(error: Exception) -> Problem:
    match error:
        case Rejected(code=code, reason=reason):
            return Problem(422, code, reason)
        case Transient(code=code, reason=reason):
            return retry_later(code, reason)
        case _:
            return Problem(500, "internal_error", INTERNAL_ERROR)
