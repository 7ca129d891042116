"""HTTP requests and responses as views see them, free of the web framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs

from backend.api.wire.json import encode
from backend.api.wire.problems import CONTENT_TYPE, BadField, Problem, invalid

JSON = "application/json"
PARAMETERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Header names are in lower case; ``name`` is the variable part of the path."""

    owner: str
    path: str
    headers: Mapping[str, str]
    args: Mapping[str, list[str]]
    scheme: str = "http"
    name: str = ""
    body: bytes = b""

    def arg(self, name: str) -> str | None:
        """The query parameter of this name, the last one if there are several."""
        values = self.args.get(name)
        return values[-1] if values else None

    def socket_url(self, path: str) -> str:
        """The absolute WebSocket address of a path, as this client reaches us."""
        host = self.headers.get("host")
        if host is None:
            return path
        scheme = self.headers.get("x-forwarded-proto", self.scheme).partition(",")[0].strip()
        return f"{'wss' if scheme in {'https', 'wss'} else 'ws'}://{host}{path}"


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: str | bytes
    headers: Mapping[str, str] = {}
    content_type: str = JSON


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI's headers by name, in lower case; the last one wins."""
    return {name.decode("latin1").lower(): value.decode("latin1") for name, value in raw}


def args_of(query_string: bytes) -> dict[str, list[str]]:
    """The parameters of a query string. Raises ``Problem`` (400) if they are too many."""
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
        raise invalid([BadField("query", "invalid_parameter", reason)], 400) from None


def json_answer(value: object, status: int = 200) -> Answer:
    """A value as an answer."""
    return Answer(status, encode(value))


def problem_answer(problem: Problem, path: str) -> Answer:
    """A problem as an answer to a request for ``path``."""
    return Answer(problem.status, encode(problem.to_json(path)), problem.headers, CONTENT_TYPE)
