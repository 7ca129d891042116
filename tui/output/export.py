"""Orders as a file: CSV for a spreadsheet, or JSON lines for a program.

Amounts are the exact text that the API gave. The file appears whole or not at all, and never
takes the place of another one.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from tui.model.orders import Order
from tui.text.format import SECOND_MS

FORMATS: Final = ("csv", "jsonl")


def record(order: Order) -> dict[str, str | int | None]:
    """An order with the names that the API uses."""
    trouble = order.trouble
    return {
        "orderId": order.id,
        "clientOrderId": order.client_order_id,
        "batchId": order.batch_id,
        "type": order.type,
        "tokenIn": order.token_in,
        "tokenOut": order.token_out,
        "amountIn": order.amount_in,
        "minAmountOut": order.min_amount_out,
        "slippageBps": order.slippage_bps,
        "status": order.status,
        "attempts": order.attempt,
        "dex": order.dex,
        "executedPrice": order.executed_price,
        "amountOut": order.amount_out,
        "txHash": order.tx_hash,
        "code": trouble.code if trouble else None,
        "reason": trouble.reason if trouble else None,
        "createdAt": _at(order.created_ms),
        "updatedAt": _at(order.updated_ms),
    }


def export(orders: Iterable[Order], path: Path) -> int:
    """Write orders in the format of the path's ending; how many were written.

    Raises ``OSError``, also if the file is there already, and ``ValueError`` for another ending.
    """
    write = _WRITERS.get(path.suffix.lstrip("."))
    if write is None:
        raise ValueError(f"the name must end in {' or '.join('.' + each for each in FORMATS)}")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            count = write(map(record, orders), file)
        os.link(partial, path)  # unlike a rename it refuses to replace
    finally:
        partial.unlink(missing_ok=True)
    return count


def default_name(at_ms: int, ending: str) -> str:
    """A name for a new file."""
    at = datetime.fromtimestamp(at_ms / SECOND_MS, tz=UTC)
    return f"orders-{at:%Y%m%d-%H%M%S}.{ending}"


def _at(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / SECOND_MS, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Record = Mapping[str, str | int | None]


def _write_csv(records: Iterable[Record], file: IO[str]) -> int:
    writer = csv.writer(file)
    writer.writerow(record(Order("")))
    count = 0
    for count, each in enumerate(records, start=1):  # noqa: B007 - the last number is the count
        writer.writerow(each.values())
    return count


def _write_jsonl(records: Iterable[Record], file: IO[str]) -> int:
    count = 0
    for count, each in enumerate(records, start=1):  # noqa: B007 - the last number is the count
        file.write(json.dumps(each) + "\n")
    return count


_WRITERS: Final[Mapping[str, Callable[[Iterable[Record], IO[str]], int]]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
}
