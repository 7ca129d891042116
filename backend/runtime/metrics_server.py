"""``/metrics`` of a process that serves nothing else, from threads beside its event loop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in its base
        """Log nothing."""


@contextmanager
def serve_metrics(listeners: Sequence[socket.socket]) -> Iterator[None]:
    """Serve metrics on open listening sockets during the block; they are closed in the end."""
    with ExitStack() as running:
        for listener in listeners:
            running.enter_context(_serve_on(listener))
        yield


@contextmanager
def _serve_on(listener: socket.socket) -> Iterator[None]:
    host, port = listener.getsockname()[:2]
    server = ThreadingWSGIServer((host, port), _SilentHandler, bind_and_activate=False)
    server.socket.close()  # it is made for another address family
    server.socket = listener
    server.server_name, server.server_port = host, port
    server.setup_environ()
    server.set_app(make_wsgi_app())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
