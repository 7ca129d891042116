"""Requests with which one owner looks for the orders of another one, for every route and socket.

A route that is not here fails the test that walks the route table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.integration.apis import ORDER, Json

LIMIT: Final[Json] = {**ORDER, "type": "limit", "limitPrice": "120", "ocoGroup": "exit"}
STOP: Final[Json] = {**ORDER, "type": "stop", "triggerPrice": "90", "ocoGroup": "exit"}


@dataclass(frozen=True, slots=True)
class Marks:
    """What names the orders of an owner."""

    order: str
    waiting: str
    batch: str
    group: str
    client: str
    key: str
    webhook: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A request whose words in braces are marks of an owner."""

    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""
    """A mark that is in the answer to the owner itself."""

    def fill(self, marks: Marks) -> Probe:
        return Probe(
            _fill(self.path, marks), _fill(self.body, marks), _fill(self.headers, marks), self.shows
        )


def _fill(value: Any, marks: Marks) -> Any:
    if isinstance(value, str):
        return re.sub(r"{(\w+)}", lambda found: asdict(marks)[found[1]], value)
    if isinstance(value, Mapping):
        return {name: _fill(each, marks) for name, each in value.items()}
    return [_fill(each, marks) for each in value] if isinstance(value, list) else value


ORDERS: Final = "/api/orders"
WEBHOOKS: Final = "/api/webhooks"
RECEIVER: Final = "https://hooks.invalid/"
"""A receiver that is never found."""
_NAMED: Final = {**ORDER, "clientOrderId": "{client}"}
_KEYED: Final = {"Idempotency-Key": "{key}"}

PROBES: Final[dict[str, list[Probe]]] = {
    f"GET {ORDERS}": [
        Probe(ORDERS, shows="order"),
        Probe(f"{ORDERS}?batchId={{batch}}", shows="waiting"),
        Probe(f"{ORDERS}?ocoGroup={{group}}", shows="waiting"),
        Probe(f"{ORDERS}?clientOrderId={{client}}", shows="order"),
        Probe(f"{ORDERS}?parentId={{order}}"),
        Probe(f"{ORDERS}?updatedSince=2020-01-01T00:00:00Z", shows="order"),
    ],
    f"GET {ORDERS}/<orderId>": [Probe(f"{ORDERS}/{{order}}", shows="order")],
    f"GET {ORDERS}/<orderId>/events": [Probe(f"{ORDERS}/{{order}}/events", shows="order")],
    f"GET {ORDERS}/by-client-id/<text:clientOrderId>": [
        Probe(f"{ORDERS}/by-client-id/{{client}}", shows="order")
    ],
    f"GET {ORDERS}/cancel-after": [Probe(f"{ORDERS}/cancel-after")],
    f"GET {WEBHOOKS}": [Probe(WEBHOOKS, shows="webhook")],
    f"GET {WEBHOOKS}/<webhookId>": [Probe(f"{WEBHOOKS}/{{webhook}}", shows="webhook")],
    f"GET {WEBHOOKS}/<webhookId>/deliveries": [Probe(f"{WEBHOOKS}/{{webhook}}/deliveries")],
    f"POST {WEBHOOKS}": [Probe(WEBHOOKS, {"url": RECEIVER, "eventTypes": ["no.type"]})],
    f"PATCH {WEBHOOKS}/<webhookId>": [Probe(f"{WEBHOOKS}/{{webhook}}", {"enabled": False})],
    f"DELETE {WEBHOOKS}/<webhookId>": [Probe(f"{WEBHOOKS}/{{webhook}}")],
    f"POST {WEBHOOKS}/<webhookId>/rotate-secret": [
        Probe(f"{WEBHOOKS}/{{webhook}}/rotate-secret", {})
    ],
    f"POST {WEBHOOKS}/<webhookId>/test": [Probe(f"{WEBHOOKS}/{{webhook}}/test")],
    "GET /api/stats": [Probe("/api/stats")],
    "GET /api/balances": [Probe("/api/balances")],
    "POST /api/admin/halt": [Probe("/api/admin/halt", {"owner": "nobody", "why": "a probe"})],
    "POST /api/admin/resume": [Probe("/api/admin/resume", {"owner": "nobody"})],
    "GET /api/admin/halts": [Probe("/api/admin/halts")],
    "GET /api/limits": [Probe("/api/limits")],
    "GET /api/admin/limits": [Probe("/api/admin/limits")],
    "PUT /api/admin/limits": [Probe("/api/admin/limits", {"maxOpenOrders": 1000})],
    "DELETE /api/admin/limits": [Probe("/api/admin/limits")],
    "GET /api/admin/limits/<text:owner>": [Probe("/api/admin/limits/nobody")],
    "PUT /api/admin/limits/<text:owner>": [Probe("/api/admin/limits/nobody", {"maxOpenOrders": 1})],
    "DELETE /api/admin/limits/<text:owner>": [Probe("/api/admin/limits/nobody")],
    "GET /api/fills": [Probe("/api/fills"), Probe("/api/fills?order=asc")],
    "GET /api/positions": [Probe("/api/positions")],
    "GET /api/report": [Probe("/api/report?from=2020-01-01T00:00:00Z")],
    "GET /api/prices": [Probe("/api/prices?pair=SOL/USDC")],
    f"PATCH {ORDERS}/<orderId>": [
        Probe(
            f"{ORDERS}/{{waiting}}",
            {"limitPrice": "130", "allowImmediate": True},
            {"If-Match": '"2"'},
        )
    ],
    f"DELETE {ORDERS}/<orderId>": [
        Probe(f"{ORDERS}/{{order}}"),
        Probe(f"{ORDERS}/{{waiting}}"),
    ],
    f"DELETE {ORDERS}": [
        Probe(f"{ORDERS}?batchId={{batch}}"),
        Probe(f"{ORDERS}?ocoGroup={{group}}"),
        Probe(f"{ORDERS}?parentId={{order}}"),
        Probe(f"{ORDERS}?all=true"),
    ],
    f"POST {ORDERS}/cancel-after": [Probe(f"{ORDERS}/cancel-after", {"seconds": 0})],
    f"POST {ORDERS}/execute": [
        Probe(f"{ORDERS}/execute", _NAMED),
        Probe(f"{ORDERS}/execute", dict(ORDER), _KEYED),
    ],
    f"POST {ORDERS}/batch": [
        Probe(f"{ORDERS}/batch", {"orders": [LIMIT, STOP]}, {"Idempotency-Key": "batch-{key}"}),
    ],
    "POST /api/quotes": [Probe("/api/quotes", dict(ORDER))],
    "POST /api/tickets": [Probe("/api/tickets")],
    f"WS {ORDERS}/execute": [Probe(f"{ORDERS}/execute?orderId={{order}}")],
    f"WS {ORDERS}/upgrade/<orderId>": [Probe(f"{ORDERS}/upgrade/{{order}}")],
    f"WS {ORDERS}/stream": [
        Probe(f"{ORDERS}/stream"),
        Probe(f"{ORDERS}/stream?orderId={{order}}"),
        Probe(f"{ORDERS}/stream?batchId={{batch}}"),
    ],
}
"""By method and path of the route."""
