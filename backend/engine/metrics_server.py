"""``/metrics`` of a process that serves nothing else, from threads beside its event loop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


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


@contextmanager
def serve_metrics(listeners: Sequence[socket.socket], find_refusal: RefusalCheck) -> Iterator[None]:
    """Serve metrics on open listening sockets during the block; they are closed in the end."""
    app = _build_app(find_refusal)
    with ExitStack() as running:
        for listener in listeners:
            running.enter_context(_serve_on(listener, app))
        yield


def _build_app(find_refusal: RefusalCheck) -> WSGIApplication:
    metrics = make_wsgi_app()

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
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
