"""What became of each order: a row for each in a file; in words, why some were refused."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TextIO

from batch.lines import describe_os_error
from batch.orders import InvalidInput, OrderList
from batch.progress import BatchProgress, Json

REASONS_SHOWN_MAX = 20
DIFFERENCES_AGE_MAX = timedelta(days=1)
FORMATS = (".csv", ".jsonl")


class Row(NamedTuple):
    """One order in the file of ``--out``; the names of the fields are those of its columns."""

    line: int
    id: str | None
    clientOrderId: str | None  # noqa: N815 - as in the API
    status: str
    dex: str | None
    price: str | None
    amountOut: str | None  # noqa: N815 - as in the API
    signature: str | None
    code: str | None
    reason: str | None


def build_rows(orders: OrderList, progress: BatchProgress) -> Iterator[Row]:
    """Build a row for each order, in their sequence; one that was not sent is ``not_placed``."""
    for index, (line, order) in enumerate(zip(orders.lines, orders.orders, strict=True)):
        name, placed = order["clientOrderId"], progress.find_order(index)
        if placed is not None:
            yield Row(
                line,
                placed.order_id,
                name,
                placed.status,
                placed.dex,
                placed.price,
                placed.amount_out,
                placed.signature,
                placed.code,
                placed.reason,
            )
        elif (refusal := progress.refusals.get(index)) is not None:
            yield Row(line, None, name, "refused", None, None, None, None, *refusal)
        else:
            yield Row(line, None, name, "not_placed", None, None, None, None, None, None)


def build_bare_row(
    number: int, order_id: str, status: str, code: str, reason: str | None = None
) -> Row:
    """The row of an order of which its id alone is known."""
    return Row(number, order_id, None, status, None, None, None, None, code, reason)


def build_order_row(number: int, order: Json, code: str, reason: str | None = None) -> Row:
    """The row of an order as the API describes it."""
    return Row(
        number,
        order["orderId"],
        order["clientOrderId"],
        order["status"],
        order["dex"],
        order["executedPrice"],
        order["amountOut"],
        order["txHash"],
        code,
        reason,
    )


def describe_refusals(rows: Iterable[Row], noun: str, out: str | None) -> list[str]:
    """Describe the orders that were refused and those that failed: the first ones, and how many."""
    shown: list[str] = []
    count = 0
    for row in rows:
        if row.status not in {"refused", "failed"}:
            continue
        count += 1
        if count <= REASONS_SHOWN_MAX:
            failed = "failed: " if row.status == "failed" else ""
            shown.append(f"{noun} {row.line}: {failed}{row.reason or row.code}")
    if count > len(shown):
        where = f"{out} has them" if out else "--out FILE.csv lists them"
        shown.append(f"… and {count - len(shown):,} more refused or failed: {where}")
    return shown


def describe_differences(newest_first: Iterable[Json], now_ns: int) -> str | None:
    """Describe in one line what balances differ by that no order explains, of the last day.

    ``None``: nothing does, also where a token has left and come back. ``now_ns`` is Unix time.
    """
    oldest = datetime.fromtimestamp(now_ns // 10**9, tz=UTC) - DIFFERENCES_AGE_MAX
    sums: dict[tuple[str, str], tuple[Decimal, str]] = {}
    for each in reversed(list(newest_first)):
        if datetime.fromisoformat(each["at"]) >= oldest:
            name, at = (each["wallet"], each["token"]), each["at"]
            amount, since = sums.pop(name, (Decimal(0), at))
            if amount := amount + Decimal(each["amount"]):
                sums[name] = amount, since
    if not sums:
        return None
    (wallet, token), (amount, since) = min(sums.items(), key=lambda each: each[1][1])
    others = f", and {len(sums) - 1} more such" if len(sums) > 1 else ""
    return (
        f"! wallet {wallet} holds {abs(amount):,f} {token} {'more' if amount > 0 else 'less'} than"
        f" its orders explain, since {since}{others}: see GET /api/balances"
    )


class ResultFile:
    """The file of ``--out``, written in full or not at all."""

    def __init__(self, path: Path, partial: Path) -> None:
        self._path = path
        self._partial = partial

    def write(self, rows: Iterable[Row]) -> None:
        """Write all rows, in place of an earlier file; raises ``InvalidInput``."""
        with self.collect_rows() as add:
            for row in rows:
                add(row)

    @contextmanager
    def collect_rows(self) -> Iterator[Callable[[Row], None]]:
        """Write rows as they come; in the end they take the place of an earlier file.

        Raises ``InvalidInput``.
        """
        try:
            with self._partial.open("w", encoding="utf-8", newline="") as file:
                yield _open_csv(file) if self._path.suffix == ".csv" else _open_json_lines(file)
            self._partial.replace(self._path)
        except OSError as error:
            reason = describe_os_error(error)
            raise InvalidInput(f"{self._path} cannot be written: {reason}") from None


@contextmanager
def open_result_file(out: str | None, source: str | None) -> Iterator[ResultFile | None]:
    """Check that a result file can be written, before anything is sent; raises ``InvalidInput``."""
    if out is None:
        yield None
        return
    path = Path(out)
    if path.suffix not in FORMATS:
        raise InvalidInput(f"--out {out}: the name must end in {' or '.join(FORMATS)}")
    if source not in {None, "-"} and path.exists() and path.samefile(str(source)):
        raise InvalidInput(f"--out {out}: this is the file of the orders")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.is_dir():
            raise IsADirectoryError
        partial.touch()
    except OSError as error:
        raise InvalidInput(f"--out {out} cannot be written: {describe_os_error(error)}") from None
    try:
        yield ResultFile(path, partial)
    finally:
        partial.unlink(missing_ok=True)


def _open_csv(file: TextIO) -> Callable[[Row], None]:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Row._fields)
    return writer.writerow


def _open_json_lines(file: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        file.write(json.dumps(row._asdict()) + "\n")

    return write
