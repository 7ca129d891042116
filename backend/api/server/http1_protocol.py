"""HTTP/1 as Hypercorn speaks it, with what it lacks for clients, proxies and attackers.

- There is no way to HTTP/2. Hypercorn's own turns to it in clear text when a client asks for it,
  for which no browser and no proxy asks by default, and where no limit of ours holds.
- A request with two lengths of its body is refused, because a proxy in front of this server might
  go by the other one, and take the rest of the body for the next request (request smuggling).
- A target in absolute form is served: the host in it counts, not that of the header (RFC 9112,
  section 3.2.2).
- What is no request is answered by a problem document that says why.
- A client that waits for ``100 Continue`` gets it when its body is read, and not before a response
  that the headers alone decide.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import h11
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol

from backend.api.wire.json import encode
from backend.api.wire.problems import PROBLEM_CONTENT_TYPE, Problem

_HTTP_VERSIONS: Final = (b"1.0", b"1.1")
_ABSOLUTE_TARGET: Final = re.compile(rb"https?://([^/?#]+)(/[^?#]*)?(\?.*)?", re.IGNORECASE)
_CODES: Final = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "headers_too_large",
    HTTPStatus.NOT_IMPLEMENTED: "transfer_encoding_not_supported",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "http_version_not_supported",
}
"""The codes of what is no request, by status; that of all others is ``malformed_request``."""


class _Http1Parser(h11.Connection):
    """h11's parser, whose errors keep no frames, and with them no connections, alive."""

    error = ""
    """What its peer has done wrong."""

    # Hypercorn sends ``100 Continue`` as soon as this says that the client waits for it.
    they_are_waiting_for_100_continue = False

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.error = str(error)
            raise error.with_traceback(None) from None


class Http1Protocol(H11Protocol):
    """HTTP/1 on one connection."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._parser = _Http1Parser(
            h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size
        )
        self.connection = self._parser
        self._is_head = False

    async def send_continue(self) -> None:
        """Send ``100 Continue`` if the client waits for it before it sends its body."""
        if self._parser.client_is_waiting_for_100_continue:
            headers = self.config.response_headers("h11")
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=headers))

    async def _check_protocol(self, event: h11.Request) -> None:
        """An upgrade to HTTP/2 is an offer, which a server may ignore."""

    async def _create_stream(self, request: h11.Request) -> None:
        self._is_head = request.method == b"HEAD"
        names = {name for name, _ in request.headers}
        if request.http_version not in _HTTP_VERSIONS:
            await self._refuse(505, f"HTTP/{request.http_version.decode()} is not spoken here")
        elif {b"content-length", b"transfer-encoding"} <= names:
            await self._refuse(400, "Content-Length and Transfer-Encoding are both given")
        else:
            await super()._create_stream(_to_origin_form(request))

    async def _refuse(self, status: int, detail: str) -> None:
        """Respond to what is no request, and close the connection."""
        self._parser.error = detail
        await self._send_error_response(status)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        status = HTTPStatus(status_code)
        code = _CODES.get(status, "malformed_request")
        problem = Problem(status, code, f"this is no valid HTTP request: {self._parser.error}")
        body = encode(problem.to_json()).encode()
        headers = [
            (b"content-type", PROBLEM_CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"cache-control", b"no-store"),
            *self.config.response_headers("h11"),
        ]
        await self._send_h11_event(h11.Response(status_code=status, headers=headers))
        if not self._is_head:
            await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())


def _to_origin_form(request: h11.Request) -> h11.Request:
    """The request with the path as its target, and with the host that an absolute target names."""
    match = _ABSOLUTE_TARGET.fullmatch(request.target)
    if match is None:
        return request
    authority, path, query = match.groups(default=b"")
    headers = [(name, value) for name, value in request.headers if name != b"host"]
    return h11.Request(
        method=request.method,
        headers=[(b"host", authority), *headers],
        target=(path or b"/") + query,
        http_version=request.http_version,
    )
