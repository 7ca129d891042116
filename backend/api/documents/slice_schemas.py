"""JSON Schemas of orders that are executed in slices."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    AMOUNT,
    BOOLEAN,
    ID,
    NON_NEGATIVE_INTEGER,
    POSITIVE_INTEGER,
    TIME,
    Schema,
    nullable_schema,
)
from backend.domain.waiting.slices import INTERVAL_MAX_S, JITTER_MAX_BPS, SLICES_MAX, SLICES_MIN

SLICES: Final[dict[str, Schema]] = {
    "slices": {"type": "integer", "minimum": SLICES_MIN, "maximum": SLICES_MAX},
    "intervalS": {"type": "integer", "minimum": 1, "maximum": INTERVAL_MAX_S},
    "jitterBps": {"type": "integer", "minimum": 0, "maximum": JITTER_MAX_BPS},
}
"""In which slices an order is executed, as its client wrote it."""
PROGRESS: Final[dict[str, Schema]] = {
    "slicesPlaced": {
        **NON_NEGATIVE_INTEGER,
        "description": "How many slices were placed: one more than `slices` where what they left"
        " was tried once more.",
    },
    "filledAmountIn": {**AMOUNT, "description": "The amount in of the slices that are confirmed."},
    "leavesAmountIn": {**AMOUNT, "description": "The rest of the amount in."},
    "averagePrice": {
        **nullable_schema(AMOUNT),
        "description": "What the fills whose amount is known have brought on average, as a price"
        " of `priceOf`; null before the first.",
    },
}
"""How far an order is that is executed in slices: FIX's CumQty, LeavesQty and AvgPx."""
NEXT_SLICE_AT: Final[Schema] = {
    **nullable_schema(TIME),
    "description": "When the next slice is due; null if there is none.",
}
SLICES_FIELDS: Final = (*SLICES, *PROGRESS, "nextSliceAt")
"""What only an order has that is executed in slices."""
SLICE: Final[Schema] = {
    "slice": {
        **POSITIVE_INTEGER,
        "description": "The number of the slice of a `twap` that was placed, from 1.",
    },
    "childId": {**ID, "description": "The order that the slice is."},
    "amountIn": AMOUNT,
}
SLICES_FILL: Final[Schema] = {
    **PROGRESS,
    "amountOut": nullable_schema(AMOUNT),
    "amountKnown": {
        **BOOLEAN,
        "description": "Whether it is the sum of all fills: if not, the order shows it later.",
    },
}
"""What a `twap` has filled: all, or less where its code is `partly_filled` or `unfilled`."""
