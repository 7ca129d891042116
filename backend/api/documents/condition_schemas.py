"""JSON Schemas of what orders wait for, and of what is placed for what they receive."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    AMOUNT,
    BASIS_POINTS,
    POSITIVE_INTEGER,
    Schema,
    object_schema,
    schema_ref,
)
from backend.domain.conditions import CONFIRMATIONS_MAX, TRAIL_MAX_BPS, TRAIL_MIN_BPS

CONDITION: Final[dict[str, Schema]] = {
    "limitPrice": AMOUNT,
    "triggerPrice": AMOUNT,
    "activationPrice": AMOUNT,
    "priceOf": schema_ref("PriceOf"),
    "trailBps": {"type": "integer", "minimum": TRAIL_MIN_BPS, "maximum": TRAIL_MAX_BPS},
    "confirmations": {"type": "integer", "minimum": 1, "maximum": CONFIRMATIONS_MAX},
    "then": schema_ref("Then"),
}
"""What an order waits for, as its client wrote it."""
MARKET: Final[Schema] = {
    "executablePrice": {
        **AMOUNT,
        "description": "What the best pool pays for the whole amount now, after all fees, of"
        " `priceOf`; several pools together may pay more. Only of an order that waits for a price,"
        " and where the market is known: it is not waited for longer than a moment.",
    },
    "distanceBps": {
        "type": "integer",
        "description": "How far `executablePrice` is from the price that is waited for, in basis"
        " points of `executablePrice`. At 0 or below it is met.",
    },
    "bestPrice": {
        **AMOUNT,
        "description": "The best that `executablePrice` has been since the order was accepted, as"
        " its watcher saw it until some seconds ago, or now. Of a price that falls for long, not"
        " every step is kept: it may have been a little better.",
    },
}
"""What the market gives an order that waits."""

GUARDS: Final[dict[str, Schema]] = {
    "minLiquidity": AMOUNT,
    "mintAuthorityRevoked": {"type": "boolean"},
    "freezeAuthorityNone": {"type": "boolean"},
    "maxTransferFeeBps": BASIS_POINTS,
    "maxFeeBps": BASIS_POINTS,
    "lpLockedMinBps": BASIS_POINTS,
    "maxPoolAgeS": POSITIVE_INTEGER,
    "looks": POSITIVE_INTEGER,
}
"""The guards of a sniper order: those that it has are there, of no other order any."""


def _leg_schema(*names: str) -> Schema:
    """The schema of one leg of a bracket, with these of the fields of a condition."""
    properties = {name: CONDITION[name] for name in (*names, "priceOf", "confirmations")}
    optional = ("triggerPrice", "activationPrice", "trailBps", "priceOf", "then")
    return object_schema({**properties, "slippageBps": BASIS_POINTS}, optional=optional)


BRACKET: Final[Schema] = {
    **object_schema(
        {
            "takeProfit": _leg_schema("triggerPrice", "then"),
            "stop": _leg_schema("triggerPrice", "trailBps", "activationPrice"),
        },
        optional=("takeProfit", "stop"),
    ),
    "description": "What is placed for that which it receives, in the commit that confirms it, or"
    " that tells its amount: orders of its owner that sell it again, of which at most one is"
    " executed. If it receives nothing, they never exist.",
}
