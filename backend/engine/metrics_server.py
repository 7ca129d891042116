"""``/metrics`` and ``/readyz`` of a process without an API, from threads beside its event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


LOOP_TIMEOUT_S: Final = 2.0
_TEXT: Final = [("Content-Type", "text/plain; charset=utf-8")]


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in its base
        """Log nothing."""


class Refusal(NamedTuple):
    """The response to a caller that may not read the metrics."""

    status: int
    headers: Mapping[str, str]
    body: bytes


RefusalCheck = Callable[[Mapping[str, Any]], Refusal | None]
"""Decides about a request by its WSGI environment; it is called in the threads of the server."""


class Readiness:
    """Whether the process of the running event loop works: it has started, and its loop answers.

    ``start`` says the first once; ``check`` may be called in any other thread. ``notice`` is what
    orders wait for meanwhile: it is told, and makes the process no less ready.
    """

    notice = ""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_started = False

    def start(self) -> None:
        """From now on the process works."""
        self._is_started = True

    def tell(self, notice: str) -> None:
        """Tell what orders wait for; nothing once that is over."""
        self.notice = notice

    def check(self) -> bool:
        """Whether the process works; a loop that is blocked is waited for, for two seconds."""
        if not self._is_started or self._loop.is_closed():
            return False
        has_answered = threading.Event()
        self._loop.call_soon_threadsafe(has_answered.set)
        return has_answered.wait(LOOP_TIMEOUT_S)


@contextmanager
def serve_metrics(
    listeners: Sequence[socket.socket], find_refusal: RefusalCheck, readiness: Readiness
) -> Iterator[None]:
    """Serve metrics on open listening sockets during the block; they are closed in the end.

    ``/readyz`` is answered to everybody, as it is by an API.
    """
    app = _build_app(find_refusal, readiness)
    with ExitStack() as running:
        for listener in listeners:
            running.enter_context(_serve_on(listener, app))
        yield


def _build_app(find_refusal: RefusalCheck, readiness: Readiness) -> WSGIApplication:
    metrics = make_wsgi_app()

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/readyz":
            is_ready = readiness.check()
            start_response("200 OK" if is_ready else "503 Service Unavailable", _TEXT)
            notice = f"{readiness.notice}\n".lstrip() if is_ready else ""
            return [b"ready\n" if is_ready else b"not ready\n", notice.encode()]
        refusal = find_refusal(environ)
        if refusal is None:
            response: Iterable[bytes] = metrics(environ, start_response)
            return response
        status = HTTPStatus(refusal.status)
        start_response(f"{status.value} {status.phrase}", list(refusal.headers.items()))
        return [refusal.body]

    return respond


@contextmanager
def _serve_on(listener: socket.socket, app: WSGIApplication) -> Iterator[None]:
    host, port = listener.getsockname()[:2]
    server = ThreadingWSGIServer((host, port), _SilentHandler, bind_and_activate=False)
    server.socket.close()  # it is made for another address family
    server.socket = listener
    server.server_name, server.server_port = host, port
    server.setup_environ()
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
