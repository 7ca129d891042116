"""Exports orders to a file: CSV for a spreadsheet, or JSON lines for a program.

Amounts are the exact text that the API sent. The file is created atomically and never replaces an
existing one.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from tui.model.conditions import CONDITION_FIELDS
from tui.model.orders import Order
from tui.text.format import SECOND_MS, format_timestamp

FORMATS: Final = ("csv", "jsonl")


def order_to_record(order: Order) -> dict[str, str | int | None]:
    """Convert an order to a record with the field names of the API."""
    failure = order.failure
    condition = {} if order.condition is None else order.condition.to_terms()
    expires_ms = order.expires_ms
    return {
        "orderId": order.id,
        "clientOrderId": order.client_order_id,
        "batchId": order.batch_id,
        "parentId": order.parent_id,
        "ocoGroup": order.oco_group,
        "type": order.type,
        "tokenIn": order.token_in,
        "tokenOut": order.token_out,
        "amountIn": order.amount_in,
        "amountInShare": order.share,
        "minAmountOut": order.min_amount_out,
        "slippageBps": order.slippage_bps,
        **{name: condition.get(name) for name in CONDITION_FIELDS},
        "timeInForce": order.time_in_force,
        "expiresAt": None if expires_ms is None else format_timestamp(expires_ms),
        "status": order.status,
        "attempts": order.attempt,
        "dex": order.dex,
        "executedPrice": order.executed_price,
        "amountOut": order.amount_out,
        "txHash": order.tx_hash,
        "code": failure.code if failure else None,
        "reason": failure.reason if failure else None,
        "createdAt": format_timestamp(order.created_ms),
        "updatedAt": format_timestamp(order.updated_ms),
    }


def describe_field(order: Order, field: str) -> str | None:
    """What is copied of an order: its ``id``, its signature (``tx``), all of it, or its ``pools``.

    The addresses of pools are one a line. ``None`` if it is not known.
    """
    match field:
        case "id":
            return order.id
        case "tx":
            return order.tx_hash
        case "pools":
            venues = () if order.route is None else order.route.venues
            return "\n".join(venue.pool for venue in venues) or None
        case _:
            return json.dumps(order_to_record(order), indent=2)


def export_orders(orders: Iterable[Order], path: Path) -> int:
    """Write orders in the format of the path's suffix, and return their number.

    Raises ``OSError``, also if the file exists already, and ``ValueError`` for an unknown suffix.
    """
    write = _WRITERS.get(path.suffix.lstrip("."))
    if write is None:
        raise ValueError(f"the name must end in {' or '.join('.' + suffix for suffix in FORMATS)}")
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            count = write(map(order_to_record, orders), file)
        os.link(partial, path)  # unlike a rename, a link fails if the file exists
    finally:
        partial.unlink(missing_ok=True)
    return count


def default_file_name(at_ms: int, suffix: str) -> str:
    """Return a file name with the time of the export."""
    at = datetime.fromtimestamp(at_ms / SECOND_MS, tz=UTC)
    return f"orders-{at:%Y%m%d-%H%M%S}.{suffix}"


Record = Mapping[str, str | int | None]


def _write_csv(records: Iterable[Record], file: IO[str]) -> int:
    writer = csv.writer(file)
    writer.writerow(order_to_record(Order("")))
    count = 0
    for count, fields in enumerate(records, start=1):  # noqa: B007 - the last number is the count
        writer.writerow(fields.values())
    return count


def _write_jsonl(records: Iterable[Record], file: IO[str]) -> int:
    count = 0
    for count, fields in enumerate(records, start=1):  # noqa: B007 - the last number is the count
        file.write(json.dumps(fields) + "\n")
    return count


_WRITERS: Final[Mapping[str, Callable[[Iterable[Record], IO[str]], int]]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
}
