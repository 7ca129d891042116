"""Dumps a model as text: two models are equal if their dumps are byte-identical."""

from __future__ import annotations

import json

from tui.model.model import Model
from tui.model.orders import Order
from tui.model.routes.route import Route
from tui.model.swap import Swap


def dump_model(model: Model) -> str:
    """Dump the whole state of a model."""
    counters, connection = model.counters, model.connection
    return json.dumps(
        {
            "orders": [_dump_order(order) for order in model.sorted_orders],
            "counts": counters.by_status,
            "routed": dict(sorted(counters.by_venue.items())),
            "savings": [counters.savings.volume, counters.savings.dollars],
            "took": counters.rates.duration_percentiles_ms(),
            "log": list(model.log.entries),
            "connection": [
                connection.status,
                connection.epoch,
                connection.last_message_ms,
                connection.clock_offset_ms,
                connection.reason,
            ],
            "events": model.event_count,
        },
        default=str,
        indent=1,
    )


def _dump_order(order: Order) -> dict[str, object]:
    names = {*Swap.__slots__, *Order.__slots__} - {"steps", "route"}
    route = order.route and {name: getattr(order.route, name) for name in Route.__slots__}
    state = {name: getattr(order, name) for name in sorted(names)}
    return state | {"steps": list(order.steps), "route": route}
