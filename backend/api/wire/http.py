"""HTTP requests and responses as views see them, independent of the web framework."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs

from backend.api.wire.json import BYTE_ORDER_MARK, ORDER_VALUES_MAX, decode, encode
from backend.api.wire.problems import PROBLEM_CONTENT_TYPE, FieldError, Problem, invalid_fields
from backend.domain.access.principals import Principal
from backend.runtime.observe_requests import get_request_id

JSON_CONTENT_TYPE = "application/json"
PARAMETERS_MAX = 1_000
ORDER_BYTES_MAX = 65_536
"""Maximum size of the body or message with a single order."""
IS_REPEATED = "is given more than once: which of them counts?"
REPEATED_HEADER = "repeated_header"
SINGLE_HEADERS = {
    name.lower(): name
    for name in (
        *("Authorization", "Content-Type", "Host", "If-Match", "Origin"),
        *("X-API-Key", "X-Request-ID"),
        *("X-Content-SHA256", "X-Key-Id", "X-Nonce", "X-Signature", "X-Timestamp"),
    )
}
"""The headers that a request may have once, by their names in lower case; the idempotency key has
a problem of its own."""
_CSV = "text/csv"
_FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
_BROWSER_HEADERS = ("origin", "referer", "sec-fetch-site", "cookie")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    principal: Principal
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    scheme: str = "http"
    path_variable: str = ""
    body: bytes = b""
    peer: str = ""
    """The IP address of the other end of the connection: the client's, or a proxy's."""
    raw_headers: Iterable[tuple[bytes, bytes]] = ()
    """All header lines: of one that may be repeated, ``headers`` has the last."""
    response_headers: dict[str, str] = field(default_factory=dict)
    """Headers that its response gets, whatever the response is."""

    @property
    def owner(self) -> str:
        """The owner whose orders it is about."""
        return self.principal.owner

    def get_query_value(self, name: str) -> str | None:
        """The query parameter of this name; a repeated one is refused before."""
        values = self.query.get(name)
        return values[-1] if values else None


class Response(NamedTuple):
    """One response: status, body, headers and content type."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = {}
    content_type: str = JSON_CONTENT_TYPE
    stream: AsyncGenerator[bytes, None] | None = None
    """The body in parts, in place of ``body``: each is made when the one before it was sent."""


def parse_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI headers by name in lower case; the last of a repeated header wins."""
    return {name.decode("latin1").lower(): value.decode("latin1") for name, value in raw}


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name in lower case.

    Raises ``Problem`` (400) if one of which there is one only is repeated: a proxy in front of this
    server might go by another of them.
    """
    headers = parse_headers(raw)
    if len(headers) != len(raw):
        names = [name.decode("latin1").lower() for name, _ in raw]
        repeated = [shown for name, shown in SINGLE_HEADERS.items() if names.count(name) > 1]
        if repeated:
            errors = [FieldError(name, REPEATED_HEADER, IS_REPEATED) for name in repeated]
            raise invalid_fields(errors, 400)
    return headers


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


def add_default_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a response; what it does not say about caches forbids them to store it."""
    return {"Cache-Control": "no-store", **headers}


def json_response(value: object, status: int = 200) -> Response:
    """The response with a value as JSON."""
    return Response(status, encode(value))


def problem_response(problem: Problem, path: str) -> Response:
    """The response with a problem, to a request for ``path``."""
    body = encode(problem.to_json(path, get_request_id()))
    return Response(problem.status, body, problem.headers, PROBLEM_CONTENT_TYPE)


def read_json_body(request: Request, values_max: int = ORDER_VALUES_MAX) -> object:
    """The JSON value of a request's body: UTF-8, not compressed. Raises ``Problem``: 415, 400.

    It has at most ``values_max`` values, by default as many as a single order may have.

    Other content types are refused, because a page of another site can send them without a CORS
    preflight. The default content type of ``curl -d`` is an exception, but not for browsers, which
    always send a header that names where a page's request comes from.
    """
    require_json_headers(request.headers)
    is_form = _read_content_type(request.headers) == _FORM_CONTENT_TYPE
    if is_form and not request.body.removeprefix(BYTE_ORDER_MARK).lstrip().startswith((b"{", b"[")):
        raise _unsupported_type()
    return decode(request.body, values_max)


def require_json_headers(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not JSON by the headers. Raises ``Problem`` (415)."""
    if "content-encoding" in headers:
        _require_identity(headers["content-encoding"])
    content_type = headers.get("content-type", "")
    if ";" in content_type:
        _require_utf8(content_type.partition(";")[2])
    content_type = _read_content_type(headers)
    if content_type == JSON_CONTENT_TYPE or content_type.endswith("+json"):
        return
    is_from_browser = any(name in headers for name in _BROWSER_HEADERS)
    if content_type != _FORM_CONTENT_TYPE or is_from_browser:
        raise _unsupported_type()


def _read_content_type(headers: Mapping[str, str]) -> str:
    """The content type in lower case, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _unsupported_type() -> Problem:
    return Problem(415, "unsupported_media_type", "Content-Type must be application/json")


def _require_identity(content_encoding: str) -> None:
    """Refuse a compressed body: its size says nothing about the size of what is in it."""
    encodings = [encoding.strip() for encoding in content_encoding.lower().split(",")]
    if set(encodings) - {"identity", ""}:
        raise Problem(
            415,
            "unsupported_content_encoding",
            f"Content-Encoding is {content_encoding[:100]!r}: send the body without compression",
            headers={"Accept-Encoding": "identity"},
        )


def _require_utf8(parameters: str) -> None:
    """Refuse a body that says it is in another character set."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"')
        if name.strip().lower() == "charset" and charset.lower() not in {"utf-8", "utf8"}:
            raise Problem(
                415,
                "unsupported_charset",
                f"the charset in Content-Type is {charset[:100]!r}: JSON must be in UTF-8",
            )


def accepts_csv(request: Request) -> bool:
    """Whether a client asks for CSV, and names it before JSON if it takes both."""
    parts = request.headers.get("accept", "").lower().split(",")
    accepted = [part.partition(";")[0].strip() for part in parts]
    others = [accepted.index(name) for name in ("application/json", "*/*") if name in accepted]
    return _CSV in accepted and all(accepted.index(_CSV) < each for each in others)
