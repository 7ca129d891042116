"""Draws requests to the addresses of orders: bodies, parameters and headers that are odd."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import quote

from backend.trials.fuzz.odd_orders import ODD_VALUES, PAST, SOON, draw_order

ORDERS: Final = "/api/orders"
EXECUTE: Final = f"{ORDERS}/execute"
BATCH: Final = f"{ORDERS}/batch"
_TEXTS: Final = tuple(each for each in ODD_VALUES if isinstance(each, str) and len(each) < 100)
_BAD_JSON: Final = (
    *(b"", b" ", b"{", b"[]", b"null", b"{} {}", b'{"amount":1,"amount":2}', b"\xff\xfe{}"),
    *(
        b"[" * 60_000,
        b'{"a":' * 5_000,
        b"\0",
        b'{"tokenIn":"\\ud800"}',
        b"9" * 10_000,
        b"\xef\xbb\xbf",
    ),
)
_PARAMETERS: Final = (
    *("status", "tokenIn", "tokenOut", "type", "batchId", "parentId", "ocoGroup", "limit"),
    *("cursor", "order", "from", "to", "updatedSince", "clientOrderId", "dex", "all", "after"),
    *("Status", "limit[]", "", "owner"),
)
_GOOD_PARAMETERS: Final = (
    *("status=waiting", "status=open", "status=cancelled&status=expired", "type=limit", "limit=3"),
    *("type=stop&tokenIn=SOL", "tokenIn=SOL&tokenOut=USDC", f"from={PAST}&to={SOON}", "order=asc"),
)
_HEADERS: Final = (
    *({"Content-Type": each} for each in ("text/plain", "application/xml", "application/json;x")),
    *({"Content-Encoding": each} for each in ("gzip", "br", "identity")),
    *({"Idempotency-Key": each} for each in ("", "x" * 129, "clé", "a b")),
    *({"If-Match": each} for each in ("", "2", '"2"', '"-1"', "*", 'W/"2"', '"9999999999999"')),
    *({"X-Request-ID": "x" * 5_000}, {"Accept": "image/png"}, {"Prefer": "wait"}),
)


@dataclass(frozen=True, slots=True)
class OddRequest:
    """A request; the method ``WS`` opens a socket and sends the body as its first message."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_batch(self) -> bool:
        """Whether its answer is one for each of several orders."""
        return self.method == "POST" and self.path.startswith(BATCH)

    def __str__(self) -> str:
        """What identifies it in a report."""
        return f"{self.method} {self.path} {dict(self.headers)} {(self.body or b'')[:400]!r}"


class RequestSource:
    """Draws requests; ``order_ids`` are of orders that exist, to name them again."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._number = 0
        self.order_ids: list[str] = []

    def draw(self) -> OddRequest:
        """Draw the next request."""
        self._number += 1
        draw: Callable[[], OddRequest] = self._random.choices(
            (
                *(self._draw_execute, self._draw_batch, self._draw_cancel, self._draw_timer),
                *(self._draw_list, self._draw_cancel_all, self._draw_amend, self._draw_socket),
            ),
            (45, 15, 8, 7, 8, 7, 7, 3),
        )[0]
        request = draw()
        if self._random.random() < 0.05:
            headers = {**request.headers, **self._random.choice(_HEADERS)}
            return OddRequest(request.method, request.path, request.body, headers)
        return request

    def _draw_execute(self) -> OddRequest:
        key = f"key-{self._random.randrange(self._number + 1)}"
        headers = {"Idempotency-Key": key} if self._random.random() < 0.1 else {}
        return OddRequest("POST", EXECUTE, self._encode(self._draw_order()), headers)

    def _draw_batch(self) -> OddRequest:
        orders: Any = [self._draw_order() for _ in range(self._random.choice((1, 2, 2, 3, 5)))]
        body: Any = {"orders": orders}
        if self._random.random() < 0.1:
            body = self._random.choice(
                ({"orders": self._draw_value()}, {"orders": [], "x": 1}, orders, {"order": orders})
            )
        return OddRequest("POST", BATCH, self._encode(body))

    def _draw_cancel(self) -> OddRequest:
        suffix = self._random.choice(("", "", "", "/", "/events", "?x=1", "?all=true"))
        method = self._random.choice(("DELETE", "DELETE", "DELETE", "GET", "PUT"))
        return OddRequest(method, f"{ORDERS}/{self._draw_id()}{suffix}")

    def _draw_amend(self) -> OddRequest:
        body = self._draw_order()
        if isinstance(body, dict) and self._random.random() < 0.8:
            for name in ("tokenIn", "tokenOut", "type", "clientOrderId", "timeInForce"):
                body.pop(name, None)
        headers = {"If-Match": self._random.choice(('"2"', '"2"', '"1"', '"3"', "2"))}
        path = f"{ORDERS}/{self._draw_id()}"
        return OddRequest("PATCH", path, self._encode(body), headers)

    def _draw_timer(self) -> OddRequest:
        seconds = self._random.choice((0, 60, 86_400, self._draw_value(), self._draw_value()))
        body: Any = {"seconds": seconds}
        if self._random.random() < 0.2:
            body = self._random.choice(({}, {"seconds": 0, "x": 1}, [], self._draw_value()))
        method = self._random.choice(("POST", "POST", "POST", "GET", "DELETE"))
        sent = self._encode(body) if method == "POST" else None
        return OddRequest(method, f"{ORDERS}/cancel-after", sent)

    def _draw_list(self) -> OddRequest:
        path = self._random.choice(
            (ORDERS, ORDERS, ORDERS, f"{ORDERS}/by-client-id/", "/api/stats")
        )
        if path.endswith("/"):
            path += quote(self._random.choice(_TEXTS), safe="", errors="surrogatepass")
        return OddRequest("GET", f"{path}?{self._draw_query()}")

    def _draw_cancel_all(self) -> OddRequest:
        return OddRequest("DELETE", f"{ORDERS}?{self._draw_query()}")

    def _draw_socket(self) -> OddRequest:
        match self._random.randrange(3):
            case 0:
                return OddRequest("WS", EXECUTE, self._encode(self._draw_order()))
            case 1:
                after = self._random.choice(("", "?after=1", f"?after={self._draw_text()}"))
                return OddRequest("WS", f"{ORDERS}/upgrade/{self._draw_id()}{after}")
            case _:
                return OddRequest("WS", f"{ORDERS}/stream?{self._draw_query()}")

    def _draw_query(self) -> str:
        if self._random.random() < 0.4:
            return self._random.choice(_GOOD_PARAMETERS)
        names = self._random.choices(_PARAMETERS, k=self._random.choice((1, 1, 2, 3)))
        return "&".join(f"{name}={self._draw_text()}" for name in names)

    def _draw_text(self) -> str:
        return quote(self._random.choice(_TEXTS), safe="", errors="surrogatepass")

    def _draw_id(self) -> str:
        if self.order_ids and self._random.random() < 0.7:
            return self._random.choice(self.order_ids)
        return self._draw_text() or "-"

    def _draw_order(self) -> Any:
        return draw_order(self._random, f"name-{self._random.randrange(self._number + 1)}")

    def _draw_value(self) -> Any:
        return self._random.choice(ODD_VALUES)

    def _encode(self, body: Any) -> bytes:
        """The body as JSON; a few are none, or are cut."""
        if self._random.random() < 0.02:
            return self._random.choice(_BAD_JSON)
        text = json.dumps(body).encode()
        if self._random.random() < 0.02:
            return text[: self._random.randrange(len(text))]
        return text
