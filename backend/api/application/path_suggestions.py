"""What a path that nothing is served at was probably meant to be.

Clients of other engines ask for an order's status, its stream or the health of the server at
other addresses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from backend.api.route import Route
from backend.api.sockets.order_socket import EXECUTE_PATH
from backend.api.sockets.stream_socket import STREAM_PATH
from backend.domain.spelling import suggest_name

_NOTHING: Final = "nothing is served at this path"
_NO_METHOD: Final = "this path does not support this method"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SOCKET_WORDS: Final = frozenset({"ws", "wss", "websocket", "socket", "stream", "subscribe"})
_CANCELLING_WORDS: Final = frozenset({"cancel", "cancellation", "cancellations"})
_PLACING_WORDS: Final = frozenset({"order", "orders", "swap", "trade", "trades", "execute"})
_SEGMENTS_MAX: Final = 8


class PathSuggestions:
    """Names the paths of a route table; ``explain`` says what a client probably looks for."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._paths_by_method: dict[str, dict[str, str]] = {}
        for route in routes:
            if "<" not in route.path:
                by_last_segment = self._paths_by_method.setdefault(route.method, {})
                by_last_segment[route.path.rpartition("/")[2]] = route.path

    def explain(self, method: str, path: str, socket_base: str) -> str:
        """Why a path has no response; ``socket_base`` is what the path of a socket follows."""
        segments = _split(path)
        order_socket = f"{socket_base}{EXECUTE_PATH}?orderId="
        match = _UUID.search(path)
        if not _CANCELLING_WORDS.isdisjoint(segments):
            return f"{_NOTHING}: {_explain_cancelling('<orderId>' if match is None else match[0])}"
        if match is not None:
            order_id = match[0].lower()
            return (
                f"{_NOTHING}: an order and its status are at GET /api/orders/{order_id}, and every"
                f" change of it is on the WebSocket {order_socket}{order_id}"
            )
        if not _SOCKET_WORDS.isdisjoint(segments):
            return (
                f"{_NOTHING}: one order is on the WebSocket {order_socket}<orderId>, many are on"
                f" {socket_base}{STREAM_PATH}"
            )
        meant = self._find_path(method, segments)
        return _NOTHING if meant is None else f"{_NOTHING}: did you mean {method} {meant}?"

    def explain_method(self, method: str, path: str) -> str:
        """Why a path does not take a method, with what a client probably looks for."""
        reason = _NO_METHOD
        if method == "POST" and path == "/api/orders":
            return f"{reason}: an order is placed with POST {EXECUTE_PATH}"
        if method in {"POST", "PUT"} and _UUID.search(path):
            return f"{reason}: an order that waits is amended with PATCH, and cancelled with DELETE"
        segments = _split(path)
        if not _CANCELLING_WORDS.isdisjoint(segments):
            return f"{reason}: {_explain_cancelling('<orderId>')}"
        meant = self._find_path(method, segments)
        if meant is not None:
            return f"{reason}: did you mean {method} {meant}?"
        taken = [each for each, paths in self._paths_by_method.items() if path in paths.values()]
        return f"{reason}: did you mean {' or '.join(taken)} {path}?" if taken else reason

    def _find_path(self, method: str, segments: Sequence[str]) -> str | None:
        """The path whose last segment is most like that of a path."""
        paths = self._paths_by_method.get(method)
        if not paths or not segments:
            return None
        meant = suggest_name(segments[-1], paths)
        if meant is not None:
            return paths[meant]
        is_placing = method == "POST" and not _PLACING_WORDS.isdisjoint(segments)
        return EXECUTE_PATH if is_placing else None


def _explain_cancelling(order_id: str) -> str:
    return (
        f"an order is cancelled with DELETE /api/orders/{order_id}, and all of a filter with"
        " DELETE /api/orders"
    )


def _split(path: str) -> list[str]:
    return [each.lower() for each in path.split("/", _SEGMENTS_MAX) if each]
