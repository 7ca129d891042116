"""The parameters of all routes, by the key that a route names each with.

A suffix of a key, behind a blank, tells parameters of the same name apart.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from backend.accounting.positions import CostMethod
from backend.accounting.report import Grouping
from backend.api.documents.schema_parts import TIME, Schema
from backend.api.route import RouteDoc
from backend.api.routes.accounting.prices import STEPS_S, STREAM_PAIRS_MAX
from backend.api.routes.list_parameters import LIMIT_DEFAULT, LIMIT_MAX, OPEN, Direction
from backend.api.routes.parameters import ORDER_IDS_MAX, SEQ_MAX
from backend.api.routes.webhooks.manage_webhooks import DELIVERIES_DEFAULT, DELIVERIES_MAX
from backend.api.wire.fields import KEY_LENGTH_MAX, NAME_LENGTH_MAX
from backend.api.wire.order_types.route_constraints import ADDRESS_PATTERN
from backend.domain.lifecycle import OPEN_STATUSES, Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex
from backend.domain.route_constraints import NAMES_BY_PROGRAM, PROGRAM_NAMES
from backend.domain.webhooks.webhook import DeliveryState

PARAMETERS: Final[dict[str, tuple[str, str, Schema]]] = {
    "status": (
        "query",
        "Only these statuses, in any case; repeated, or with commas.",
        {"type": "array", "items": {"type": "string", "enum": [s.value for s in Status]}},
    ),
    "status (list)": (
        "query",
        f"Only these statuses, in any case; repeated, or with commas. `{OPEN}` are all that have"
        " not ended.",
        {"type": "array", "items": {"type": "string", "enum": [OPEN, *Status]}},
    ),
    "status (cancel)": (
        "query",
        f"Only orders that are in these statuses when they are found; `{OPEN}`, the default, are"
        " all of them.",
        {"type": "array", "items": {"type": "string", "enum": [OPEN, *OPEN_STATUSES]}},
    ),
    "all": (
        "query",
        "`true` where no filter is given: all open orders are meant.",
        {"type": "string", "enum": ["true"]},
    ),
    "limit (cancel)": (
        "query",
        "The most orders of one call.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_MAX},
    ),
    "cursor (cancel)": ("query", "`next` of the call before.", {"type": "string"}),
    "batchId": ("query", "Only this batch.", {"type": "string", "format": "uuid"}),
    "parentId": (
        "query",
        "Only the orders that came to be of this one.",
        {"type": "string", "format": "uuid"},
    ),
    "ocoGroup": (
        "query",
        "Only the two orders of this group, of which at most one is executed.",
        {"type": "string", "format": "uuid"},
    ),
    "orderId": ("query", "This order.", {"type": "string", "format": "uuid"}),
    "orderId (many)": (
        "query",
        "Only these orders; repeated, or with commas.",
        {
            "type": "array",
            "items": {"type": "string", "format": "uuid"},
            "maxItems": ORDER_IDS_MAX,
        },
    ),
    "dex": ("query", "Only what is routed there; in any case.", {"type": "string", "enum": [*Dex]}),
    "program": (
        "query",
        "Only orders with a leg in this pool program; in any case, with its exchange or without.",
        {"type": "string", "enum": [*PROGRAM_NAMES, *NAMES_BY_PROGRAM]},
    ),
    "pool": (
        "query",
        "Only orders with a leg in the pool with this address.",
        {"type": "string", "pattern": ADDRESS_PATTERN},
    ),
    "clientOrderId": (
        "query",
        "Only the order with this id of the client's.",
        {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH_MAX},
    ),
    "type": ("query", "Only this type; in any case.", {"type": "string", "enum": [*OrderType]}),
    "from": (
        "query",
        "Only orders created at this time or later. Orders become visible a moment after the time"
        " that they carry, and not in its order: who polls gives the `completeUntil` of the first"
        " page of the last poll, or follows the stream.",
        TIME,
    ),
    "to": ("query", "Only orders created before this time.", TIME),
    "from (fills)": ("query", "Only fills booked at this time or later, by their `at`.", TIME),
    "to (fills)": ("query", "Only fills booked before this time.", TIME),
    "from (report)": ("query", "Only orders that ended at this time or later.", TIME),
    "to (report)": ("query", "Only orders that ended before this time; by default all.", TIME),
    "pair": (
        "query",
        "Only swaps of these two tokens, in either direction: symbols or mints, as `SOL/USDC`.",
        {"type": "string"},
    ),
    "pair (one)": (
        "query",
        "The two tokens, in either order: symbols or mints, as `SOL/USDC`.",
        {"type": "string"},
    ),
    "prices": (
        "query",
        "The bars of these pairs as well, as `SOL/USDC`: repeated, or with commas.",
        {"type": "array", "items": {"type": "string"}, "maxItems": STREAM_PAIRS_MAX},
    ),
    "from (prices)": ("query", "The beginning; by default 300 steps before the end.", TIME),
    "to (prices)": ("query", "The end; by default now.", TIME),
    "step": (
        "query",
        "The length of a bar in seconds; from so many to the end are 2,000 bars at most.",
        {"type": "integer", "enum": [*STEPS_S], "default": 60},
    ),
    "by": (
        "query",
        "What the rows are by; by default there is one. Days are those of UTC.",
        {"type": "string", "enum": [*Grouping]},
    ),
    "method": (
        "query",
        "Which part of the cost a sale takes: its share, or that of what was bought first.",
        {"type": "string", "enum": [*CostMethod], "default": CostMethod.AVERAGE},
    ),
    "updatedSince": (
        "query",
        "Only orders changed at this time or later, by the time of their last change; without"
        " `from` and `to`. Who polls gives the `completeUntil` of the first page of the last poll,"
        " which misses no change; an order that was changed since then can come twice.",
        TIME,
    ),
    "order": (
        "query",
        "The oldest (`asc`) or the newest (`desc`) first.",
        {"type": "string", "enum": [*Direction], "default": Direction.DESCENDING},
    ),
    "tokenIn": (
        "query",
        "Only orders that sell this token: a symbol or a mint.",
        {"type": "string"},
    ),
    "tokenOut": (
        "query",
        "Only orders that buy this token: a symbol or a mint.",
        {"type": "string"},
    ),
    "limit": (
        "query",
        "The size of a page.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
    "limit (fills)": (
        "query",
        "The size of a page; of a CSV file, by default all.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX},
    ),
    "limit (webhook)": (
        "query",
        "The most deliveries of an answer.",
        {"type": "integer", "minimum": 1, "maximum": DELIVERIES_MAX, "default": DELIVERIES_DEFAULT},
    ),
    "state (webhook)": (
        "query",
        "Only these deliveries.",
        {"type": "string", "enum": [*DeliveryState]},
    ),
    "cursor": ("query", "`next` of the page before.", {"type": "string"}),
    "after": ("query", "Go on behind this cursor of a stream.", {"type": "string", "minLength": 1}),
    "after (seq)": (
        "query",
        "Only what is behind this `seq`.",
        {"type": "integer", "minimum": 0, "maximum": SEQ_MAX, "default": 0},
    ),
    "ticket": (
        "query",
        "A ticket in place of a key, where the client cannot send headers.",
        {"type": "string", "minLength": 1},
    ),
    "auth": (
        "query",
        'In place of a key where the client cannot send headers: the first message is then `{"auth'
        'orization": "Bearer <key or token>"}`, within 10 seconds.',
        {"type": "string", "enum": ["message"]},
    ),
    "If-Match": (
        "header",
        "The `seq` of the order that is amended, in quotes. Without it the answer is 428.",
        {"type": "string", "pattern": '^"[0-9]{1,10}"$'},
    ),
    "Idempotency-Key": (
        "header",
        "A repeat with the same key gets the first answer, with `Idempotent-Replayed: true`.",
        {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[ -~]+$"},
    ),
}
"""Where each is (``query`` or ``header``), its description and its schema."""


def get_parameter_name(key: str) -> str:
    """The name of a parameter as clients write it."""
    return key.partition(" ")[0]


@cache
def list_query_names(doc: RouteDoc) -> tuple[str, ...]:
    """The names of the query parameters that a route takes."""
    return tuple(get_parameter_name(key) for key in doc.parameters if PARAMETERS[key][0] == "query")


@cache
def list_repeatable_names(doc: RouteDoc) -> tuple[str, ...]:
    """The names of the query parameters that a route takes more than once."""
    return tuple(
        get_parameter_name(key)
        for key in doc.parameters
        if PARAMETERS[key][0] == "query" and PARAMETERS[key][2].get("type") == "array"
    )
