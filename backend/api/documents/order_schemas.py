"""JSON Schemas of orders, their routes and their events, as responses and sockets have them."""

from __future__ import annotations

from typing import Final

from backend.api.documents.condition_schemas import CONDITION, GUARDS, MARKET
from backend.api.documents.constraint_schemas import CONSTRAINTS, FEES
from backend.api.documents.cost_schemas import COSTS, ORDER_COSTS
from backend.api.documents.route_schemas import ROUTE, ROUTE_OPTIONAL
from backend.api.documents.schema_parts import (
    AMOUNT,
    BASIS_POINTS,
    CODE,
    CURSOR,
    DEX,
    ID,
    MAY_LAND_UNTIL,
    NON_NEGATIVE_INTEGER,
    ORDER_TYPE,
    POSITIVE_INTEGER,
    REALIZED_SLIPPAGE,
    RESIDUALS,
    SHARE,
    STATUS,
    STRING,
    TIME,
    TIME_IN_FORCE,
    VENUE_FEES,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
    schema_ref,
)
from backend.api.documents.slice_schemas import (
    NEXT_SLICE_AT,
    PROGRESS,
    SLICE,
    SLICES,
    SLICES_FILL,
)
from backend.api.documents.trading_schemas import COMPARED, EXCEEDED
from backend.domain.lifecycle import Status

_TOKEN: Final[Schema] = {**STRING, "description": "A listed token's symbol, else the mint."}
ORDER: Final[Schema] = {
    "orderId": ID,
    "clientOrderId": nullable_schema(STRING),
    "batchId": nullable_schema(ID),
    "parentId": {
        **nullable_schema(ID),
        "description": "The order that it came to be of, else null.",
    },
    "ocoGroup": {
        **nullable_schema(ID),
        "description": "The same for the two orders of which at most one is executed, else null.",
    },
    "bracket": nullable_schema(schema_ref("Bracket")),
    "childIds": {
        **nullable_schema(array_schema(ID, minItems=1, maxItems=2)),
        "description": "The orders that have come to be of its bracket; null while there are none.",
    },
    "type": ORDER_TYPE,
    "tokenIn": _TOKEN,
    "tokenOut": _TOKEN,
    "amountIn": AMOUNT,
    "amountInShare": nullable_schema(SHARE),
    "minAmountOut": nullable_schema(AMOUNT),
    "slippageBps": NON_NEGATIVE_INTEGER,
    "maxPriceImpactBps": nullable_schema(BASIS_POINTS),
    **CONSTRAINTS,
    **FEES,
    **{name: nullable_schema(schema) for name, schema in CONDITION.items()},
    **SLICES,
    **PROGRESS,
    "nextSliceAt": NEXT_SLICE_AT,
    **GUARDS,
    "isTriggered": {
        "type": "boolean",
        "description": "Whether its trigger was met: from then on a `stopLimit` or a `takeProfit`"
        " waits for its limit.",
    },
    "highestPrice": {
        **nullable_schema(AMOUNT),
        "description": "The highest price that a `trailingStop` has followed, of `priceOf`; while"
        " it waits, as of a slot ago.",
    },
    **MARKET,
    "timeInForce": TIME_IN_FORCE,
    "expiresAt": nullable_schema(TIME),
    "status": STATUS,
    "seq": NON_NEGATIVE_INTEGER,
    "attempts": NON_NEGATIVE_INTEGER,
    "dex": nullable_schema(DEX),
    "route": nullable_schema(schema_ref("Route")),
    "txHash": nullable_schema(STRING),
    "amountOut": nullable_schema(AMOUNT),
    "amountKnown": {
        "type": "boolean",
        "description": "Whether `amountOut` is known. False for a confirmed order means that it"
        " was executed, and that no node with transaction history has told the amount yet; it is"
        " at least `route.minAmountOut`.",
    },
    "executedPrice": nullable_schema(AMOUNT),
    "realizedSlippage": nullable_schema(REALIZED_SLIPPAGE),
    "venueFees": nullable_schema(VENUE_FEES),
    **ORDER_COSTS,
    "wallet": {
        **nullable_schema(STRING),
        "description": "The address of the wallet that pays for it, from its first transaction on.",
    },
    "lastError": {
        **nullable_schema(STRING),
        "description": "Why its last attempt failed; of a `sniper` that waits, why no pool that was"
        " found suits it; of an order that sells a share and waits, why nothing could be sold; of"
        " one that waits for a price, that none of the pools that it may use is there (`no_pool`).",
    },
    "mayLandUntil": nullable_schema(MAY_LAND_UNTIL),
    "cancelReason": {
        **nullable_schema(CODE),
        "description": "The code of its last event if it was cancelled, else null.",
    },
    "nextAttemptAt": nullable_schema(TIME),
    "outage": {
        **object_schema({"code": CODE, "since": TIME}),
        "description": "What an order that waits for the end of an outage waits for, such as"
        " `signer_unavailable`, and since when; nothing is signed before.",
    },
    "createdAt": TIME,
    "updatedAt": TIME,
    "steps": {
        **array_schema(
            object_schema(
                {
                    "seq": POSITIVE_INTEGER,
                    "status": STATUS,
                    "attempt": POSITIVE_INTEGER,
                    "at": TIME,
                    "tookMs": nullable_schema(NON_NEGATIVE_INTEGER),
                }
            ),
            minItems=1,
        ),
        "description": "When each step began and how long it took; where one order is shown.",
    },
}

_ORDER_TERMS: Final[Schema] = {
    "type": ORDER_TYPE,
    "tokenIn": _TOKEN,
    "tokenOut": _TOKEN,
    "amountIn": AMOUNT,
    "amountInShare": SHARE,
    "minAmountOut": AMOUNT,
    "slippageBps": BASIS_POINTS,
    "maxPriceImpactBps": BASIS_POINTS,
    **CONSTRAINTS,
    **FEES,
    **CONDITION,
    **SLICES,
    **GUARDS,
    "timeInForce": TIME_IN_FORCE,
    "expiresAt": TIME,
    "batchId": ID,
    "parentId": ID,
    "ocoGroup": ID,
    "bracket": schema_ref("Bracket"),
    "clientOrderId": STRING,
}
_FILL: Final[Schema] = {
    "dex": DEX,
    "txHash": STRING,
    "executedPrice": nullable_schema(AMOUNT),
    "amountOut": nullable_schema(AMOUNT),
    "amountKnown": {
        "type": "boolean",
        "description": "Only where the amount is not known yet: `amountOut` and `executedPrice` are"
        " null, at least `minAmountOut` was received. No event tells the amount; the order does.",
    },
    "minAmountOut": nullable_schema(AMOUNT),
    "slot": NON_NEGATIVE_INTEGER,
    **COSTS,
    "realizedSlippage": REALIZED_SLIPPAGE,
    "residuals": RESIDUALS,
}


def _event_schema(status: Schema, added: Schema, *optional: str) -> Schema:
    """The schema of an event: the envelope and the properties that this status adds."""
    envelope: Schema = {
        "orderId": ID,
        "seq": POSITIVE_INTEGER,
        "status": status,
        "at": TIME,
        "attempt": POSITIVE_INTEGER,
        "cursor": CURSOR,
    }
    return object_schema({**envelope, **added}, optional=("cursor", *optional))


def _status_const(status: Status) -> Schema:
    return {"const": status.value}


_RETRY: Final[Schema] = {
    "code": CODE,
    "reason": STRING,
    "waitMs": NON_NEGATIVE_INTEGER,
    "txHash": STRING,
    "exceeded": EXCEEDED,
    **COSTS,
}
_AMENDED_NAMES: Final = (
    *("amountIn", "slippageBps", "maxPriceImpactBps", "limitPrice", "triggerPrice"),
    *("activationPrice", "priceOf", "trailBps", "confirmations", "then", "timeInForce"),
    *FEES,
)
_AMENDED: Final[Schema] = {
    **{name: _ORDER_TERMS[name] for name in _AMENDED_NAMES},
    "minAmountOut": nullable_schema(AMOUNT),
    "amountInShare": nullable_schema(SHARE),
    "expiresAt": nullable_schema(TIME),
}
"""The terms that an amendment has changed; ``null`` for what the order has no more."""
_MET: Final[Schema] = {
    "executablePrice": {**AMOUNT, "description": "The price that met its condition."},
    "triggerPrice": {**AMOUNT, "description": "The price that it waited for."},
    "priceOf": schema_ref("PriceOf"),
    "slot": NON_NEGATIVE_INTEGER,
    "dex": DEX,
    "pool": STRING,
    "amountIn": {**AMOUNT, "description": "Of a share: what it is of what the wallet holds free."},
    "amountInShare": SHARE,
    "minAmountOut": AMOUNT,
}
_FAILURE: Final[Schema] = {
    "code": CODE,
    "reason": STRING,
    "txHash": STRING,
    "exceeded": EXCEEDED,
    **COSTS,
}
_WITHDRAWAL: Final[Schema] = {
    **_FAILURE,
    "cause": {
        **CODE,
        "description": "Why its only attempt did not fill it, where the code is `unfilled`.",
    },
}
EVENTS: Final[dict[str, Schema]] = {
    "PendingEvent": _event_schema(
        _status_const(Status.PENDING),
        _ORDER_TERMS,
        *("amountInShare", "minAmountOut", "maxPriceImpactBps"),
        *CONSTRAINTS,
        *FEES,
        *CONDITION,
        *SLICES,
        *GUARDS,
        "timeInForce",
        "expiresAt",
        "batchId",
        *("parentId", "ocoGroup", "bracket"),
        "clientOrderId",
    ),
    "WaitingEvent": _event_schema(
        _status_const(Status.WAITING),
        {**_RETRY, **_AMENDED, **SLICE},
        *_RETRY,
        *_AMENDED,
        *SLICE,
    ),
    "RoutingEvent": _event_schema(
        _status_const(Status.ROUTING), {**_RETRY, **_MET}, *_RETRY, *_MET
    ),
    "BuildingEvent": _event_schema(_status_const(Status.BUILDING), ROUTE, *ROUTE_OPTIONAL),
    "SubmittedEvent": _event_schema(
        _status_const(Status.SUBMITTED),
        {"txHash": STRING, "mayLandUntil": MAY_LAND_UNTIL, "reference": COMPARED},
        *("mayLandUntil", "reference"),
    ),
    "ConfirmedEvent": _event_schema(
        _status_const(Status.CONFIRMED),
        _FILL,
        *("amountKnown", "minAmountOut", "realizedSlippage", "residuals"),
        *COSTS,
    ),
    "FilledBySlicesEvent": _event_schema(_status_const(Status.CONFIRMED), SLICES_FILL),
    "FailedEvent": _event_schema(
        _status_const(Status.FAILED),
        {**_FAILURE, **SLICES_FILL},
        *("txHash", "exceeded", *COSTS, *SLICES_FILL),
    ),
    "WithdrawnEvent": _event_schema(
        {"enum": [Status.CANCELLED.value, Status.EXPIRED.value]},
        _WITHDRAWAL,
        *("cause", "txHash", "exceeded", *COSTS),
    ),
}
