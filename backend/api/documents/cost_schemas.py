"""JSON Schemas of what transactions have cost, in events and orders."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    BOOLEAN,
    NON_NEGATIVE_INTEGER,
    Schema,
    nullable_schema,
)

COSTS: Final[Schema] = {
    "networkFeeLamports": {
        **nullable_schema(NON_NEGATIVE_INTEGER),
        "description": "What the network has charged for a transaction that landed, also if it was"
        " reverted. `null`: it landed, and no node has told what it has cost.",
    },
    "priorityFeeLamports": {
        **NON_NEGATIVE_INTEGER,
        "description": "The part of `networkFeeLamports` beyond the base fee of the signature.",
    },
    "tipLamports": {
        **NON_NEGATIVE_INTEGER,
        "description": "What the transaction has paid to a tip account of a bundle endpoint.",
    },
    "rentLamports": {
        **NON_NEGATIVE_INTEGER,
        "description": "The deposit of token accounts that the transaction opened and that stay.",
    },
}
"""Of the transaction that an event tells of; the later three only where they are known."""
_SUM: Final = ", of all its attempts that landed; null while no node has told one."
ORDER_COSTS: Final[Schema] = {
    "networkFeeLamports": {
        **nullable_schema(NON_NEGATIVE_INTEGER),
        "description": f"What the network has charged{_SUM}",
    },
    "priorityFeeLamports": {
        **nullable_schema(NON_NEGATIVE_INTEGER),
        "description": f"The part of `networkFeeLamports` beyond base fees{_SUM}",
    },
    "tipLamports": {
        **nullable_schema(NON_NEGATIVE_INTEGER),
        "description": f"What was paid to tip accounts of a bundle endpoint{_SUM}",
    },
    "rentLamports": {
        **nullable_schema(NON_NEGATIVE_INTEGER),
        "description": f"The deposits of token accounts that were opened and that stay{_SUM}",
    },
    "costsKnown": {
        **BOOLEAN,
        "description": "False if a transaction landed of which no node has told what it has cost:"
        " the sums are then too small. After a late amount they are complete.",
    },
}
"""Of all transactions of an order."""
