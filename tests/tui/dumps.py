"""A model as text: two models are the same if this is, byte for byte."""

from __future__ import annotations

import json

from tui.model.model import Model
from tui.model.orders import Order


def dump(model: Model) -> str:
    """Everything in a model."""
    tally, link = model.tally, model.link
    return json.dumps(
        {
            "orders": [_order(order) for order in model.ordered],
            "counts": tally.counts,
            "routed": dict(sorted(tally.routed.items())),
            "savings": [tally.savings.orders, tally.savings.bps, tally.savings.dollars],
            "took": tally.rates.took_ms(),
            "log": list(model.log.entries),
            "link": [link.state, link.epoch, link.heard_ms, link.ahead_ms, link.reason],
            "events": model.events,
        },
        default=str,
        indent=1,
    )


def _order(order: Order) -> dict[str, object]:
    names = [name for name in Order.__slots__ if name != "trail"]
    return {name: getattr(order, name) for name in names} | {"trail": list(order.trail)}
