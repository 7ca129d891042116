"""JSON Schemas of what orders ask of their routes, and of what their transactions pay."""

from __future__ import annotations

from typing import Final

from backend.api.documents.schema_parts import (
    NON_NEGATIVE_INTEGER,
    STRING,
    Schema,
    array_schema,
    schema_ref,
)
from backend.domain.fees.order_fees import AUTO, SIGNATURE_FEE
from backend.domain.route_constraints import HOPS_MAX, LEGS_MAX, POOLS_MAX

CONSTRAINTS: Final[dict[str, Schema]] = {
    "dexes": array_schema(schema_ref("VenueName"), minItems=1),
    "excludeDexes": array_schema(schema_ref("VenueName"), minItems=1),
    "pools": array_schema(STRING, minItems=1, maxItems=POOLS_MAX),
    "maxLegs": {"type": "integer", "minimum": 1, "maximum": LEGS_MAX},
    "maxHops": {"type": "integer", "minimum": 1, "maximum": HOPS_MAX},
}
"""What an order asks of its route: what it has asked is there, of most orders nothing."""
FEES: Final[dict[str, Schema]] = {
    "priorityFee": {"anyOf": [{"const": AUTO}, NON_NEGATIVE_INTEGER]},
    "maxFeeLamports": {"type": "integer", "minimum": SIGNATURE_FEE},
}
"""What an order says of its fees, in lamports of each transaction; of most orders nothing."""
