"""Errors of the web framework as problems."""

from __future__ import annotations

from http import HTTPStatus

from werkzeug.exceptions import HTTPException

from backend.api.wire.problems import INTERNAL_ERROR, Problem, to_problem

_HTTP_PROBLEMS = {
    HTTPStatus.NOT_FOUND: ("not_found", "nothing is served at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this path does not support this method"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal_error", INTERNAL_ERROR),
}


def build_problem(error: Exception) -> Problem:
    """The problem of an error of the engine or of the framework."""
    match error:
        case HTTPException(code=int(status)):
            return _convert_http_error(error, status)
        case _:
            return to_problem(error)


def _convert_http_error(error: HTTPException, status: int) -> Problem:
    phrase = HTTPStatus(status)
    code, detail = _HTTP_PROBLEMS.get(
        phrase, (phrase.name.lower(), phrase.description or phrase.phrase)
    )
    headers = {
        name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}
    }
    return Problem(status, code, detail, headers=headers)
