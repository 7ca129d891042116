"""HTTP requests and responses as views see them, independent of the web framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs

from backend.api.wire.json import decode, encode
from backend.api.wire.problems import PROBLEM_CONTENT_TYPE, FieldError, Problem, invalid_fields

JSON_CONTENT_TYPE = "application/json"
PARAMETERS_MAX = 1_000
_FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
_BROWSER_HEADERS = ("origin", "referer", "sec-fetch-site", "cookie")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    owner: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    scheme: str = "http"
    path_variable: str = ""
    body: bytes = b""

    def get_query_value(self, name: str) -> str | None:
        """The query parameter of this name; the last one if it is repeated."""
        values = self.query.get(name)
        return values[-1] if values else None

    def build_socket_url(self, path: str) -> str:
        """The absolute WebSocket URL of a path, at the host and scheme that the client used."""
        host = self.headers.get("host")
        if host is None:
            return path
        scheme = self.headers.get("x-forwarded-proto", self.scheme).partition(",")[0].strip()
        return f"{'wss' if scheme in {'https', 'wss'} else 'ws'}://{host}{path}"


class Response(NamedTuple):
    """One response: status, body, headers and content type."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = {}
    content_type: str = JSON_CONTENT_TYPE


def parse_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI headers by name in lower case; the last of a repeated header wins."""
    return {name.decode("latin1").lower(): value.decode("latin1") for name, value in raw}


def parse_query(query_string: bytes) -> dict[str, list[str]]:
    """The parameters of a query string. Raises ``Problem`` (400) if there are too many."""
    if not query_string:
        return {}
    try:
        return parse_qs(
            query_string.decode("latin1"),
            keep_blank_values=True,
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError:
        reason = f"has more than {PARAMETERS_MAX} parameters"
        raise invalid_fields([FieldError("query", "invalid_parameter", reason)], 400) from None


def json_response(value: object, status: int = 200) -> Response:
    """The response with a value as JSON."""
    return Response(status, encode(value))


def problem_response(problem: Problem, path: str) -> Response:
    """The response with a problem, to a request for ``path``."""
    return Response(
        problem.status, encode(problem.to_json(path)), problem.headers, PROBLEM_CONTENT_TYPE
    )


def read_json_body(request: Request) -> object:
    """The JSON value of a request's body. Raises ``Problem``: 415, 400.

    Other content types are refused, because a page of another site can send them without a CORS
    preflight. The default content type of ``curl -d`` is an exception, but not for browsers, which
    always send a header that names where a page's request comes from.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json" or content_type.endswith("+json"):
        return decode(request.body)
    is_from_browser = any(name in request.headers for name in _BROWSER_HEADERS)
    is_curl = content_type == _FORM_CONTENT_TYPE and not is_from_browser
    if is_curl and request.body.lstrip().startswith((b"{", b"[")):
        return decode(request.body)
    raise Problem(415, "unsupported_media_type", "Content-Type must be application/json")
