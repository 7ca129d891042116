"""The JSON Schemas of fills, positions, reports and prices."""

from __future__ import annotations

from typing import Final

from backend.accounting.pairs import Side
from backend.accounting.positions import CostMethod
from backend.accounting.report import Grouping
from backend.api.documents.schema_parts import (
    AMOUNT,
    BOOLEAN,
    ID,
    NON_NEGATIVE_INTEGER,
    STRING,
    TIME,
    Schema,
    array_schema,
    nullable_schema,
    object_schema,
)
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex

_SIGNED: Final[Schema] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_INTEGER_TEXT: Final[Schema] = {"type": "string", "pattern": "^[0-9]+$"}
_AMOUNTS: Final[Schema] = array_schema(object_schema({"token": STRING, "amount": AMOUNT}))
_BY_TOKEN: Final[Schema] = {"type": "object", "additionalProperties": _SIGNED}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": NON_NEGATIVE_INTEGER}
_METHOD: Final[Schema] = {"type": "string", "enum": [*CostMethod]}

FILL: Final[Schema] = object_schema(
    {
        "orderId": ID,
        "clientOrderId": nullable_schema(STRING),
        "batchId": nullable_schema(ID),
        "parentId": nullable_schema(ID),
        "type": {"type": "string", "enum": [*OrderType]},
        "pair": STRING,
        "side": {"type": "string", "enum": [*Side]},
        "tokenIn": STRING,
        "tokenOut": STRING,
        "amountIn": AMOUNT,
        "amountOut": nullable_schema(AMOUNT),
        "amountInBaseUnits": _INTEGER_TEXT,
        "amountOutBaseUnits": nullable_schema(_INTEGER_TEXT),
        "amountKnown": BOOLEAN,
        "price": nullable_schema(AMOUNT),
        "executedPrice": nullable_schema(AMOUNT),
        "dex": {"type": "string", "enum": [*Dex]},
        "program": nullable_schema(STRING),
        "pools": array_schema(STRING),
        "quotedAmountOut": nullable_schema(AMOUNT),
        "slippageBps": nullable_schema(_SIGNED),
        "secondQuote": nullable_schema(AMOUNT),
        "saved": nullable_schema(_SIGNED),
        "reference": STRING,
        "value": nullable_schema(AMOUNT),
        "savedValue": nullable_schema(_SIGNED),
        "venueFees": _AMOUNTS,
        "residuals": _AMOUNTS,
        "networkFeeLamports": nullable_schema(NON_NEGATIVE_INTEGER),
        "fees": nullable_schema(_COUNTS),
        "slot": nullable_schema(NON_NEGATIVE_INTEGER),
        "txHash": STRING,
        "wallet": nullable_schema(STRING),
        "acceptedAt": TIME,
        "submittedAt": nullable_schema(TIME),
        "confirmedAt": TIME,
        "sinceAcceptedMs": nullable_schema(NON_NEGATIVE_INTEGER),
        "sinceSubmittedMs": nullable_schema(NON_NEGATIVE_INTEGER),
        "at": TIME,
    }
)
FILLS: Final[Schema] = object_schema(
    {
        "fills": array_schema(FILL),
        "next": nullable_schema(STRING),
        "completeUntil": nullable_schema(TIME),
    }
)
POSITIONS: Final[Schema] = object_schema(
    {
        "reference": STRING,
        "method": _METHOD,
        "positions": array_schema(
            object_schema(
                {
                    "token": STRING,
                    "amount": _SIGNED,
                    "bought": AMOUNT,
                    "sold": AMOUNT,
                    "fills": NON_NEGATIVE_INTEGER,
                    "unvaluedFills": NON_NEGATIVE_INTEGER,
                    "cost": _SIGNED,
                    "averageCost": nullable_schema(AMOUNT),
                    "realized": _SIGNED,
                    "value": nullable_schema(_SIGNED),
                    "unrealized": nullable_schema(_SIGNED),
                    "price": nullable_schema(AMOUNT),
                    "priceSlot": nullable_schema(NON_NEGATIVE_INTEGER),
                    "priceAgeMs": nullable_schema(NON_NEGATIVE_INTEGER),
                }
            )
        ),
        "realized": _SIGNED,
        "networkFeeLamports": NON_NEGATIVE_INTEGER,
        "unknownFees": NON_NEGATIVE_INTEGER,
    }
)
_ROW: Final[dict[str, object]] = {
    "orders": _COUNTS,
    "reasons": _COUNTS,
    "failureReasons": _COUNTS,
    "fills": NON_NEGATIVE_INTEGER,
    "unknownFills": NON_NEGATIVE_INTEGER,
    "unvaluedFills": NON_NEGATIVE_INTEGER,
    "volume": AMOUNT,
    "sold": _BY_TOKEN,
    "bought": _BY_TOKEN,
    "venueFees": _BY_TOKEN,
    "networkFeeLamports": NON_NEGATIVE_INTEGER,
    "unknownFees": NON_NEGATIVE_INTEGER,
    "unfilledFeeLamports": NON_NEGATIVE_INTEGER,
    "fees": _COUNTS,
    "saved": _BY_TOKEN,
    "savedValue": _SIGNED,
    "slippageBps": nullable_schema({"type": "integer"}),
    "realized": _SIGNED,
}
REPORT: Final[Schema] = object_schema(
    {
        "from": nullable_schema(TIME),
        "to": nullable_schema(TIME),
        "by": nullable_schema({"type": "string", "enum": [*Grouping]}),
        "method": _METHOD,
        "reference": STRING,
        "rows": array_schema(object_schema({"key": nullable_schema(STRING), **_ROW})),
        "total": object_schema(_ROW),
    }
)
_BAR: Final[dict[str, object]] = {
    "at": TIME,
    **dict.fromkeys(("open", "high", "low", "close"), AMOUNT),
    "slot": NON_NEGATIVE_INTEGER,
}
PAIR_BAR: Final[Schema] = object_schema({"pair": STRING, **_BAR})
PRICES: Final[Schema] = object_schema(
    {
        "pair": STRING,
        "step": NON_NEGATIVE_INTEGER,
        "from": TIME,
        "to": TIME,
        "bars": array_schema(object_schema(_BAR)),
    }
)
ACCOUNTING_SCHEMAS: Final = {
    "Fills": FILLS,
    "Positions": POSITIONS,
    "Report": REPORT,
    "Prices": PRICES,
}
