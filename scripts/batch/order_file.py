"""Reads orders from a CSV or JSON-lines file, and finds every fault of it with its line.

The whole file is read before anything is sent. A file is refused for what would change the meaning
of a line: names that are not known, a line with more or fewer columns than the header, text that
is not UTF-8, the same ``clientOrderId`` twice.
"""

from __future__ import annotations

import csv
import json
import sys
from typing import Any, NoReturn

from batch.checks.values import find_value_faults
from batch.fields import (
    CLIENT_ORDER_ID_CHARACTERS_MAX,
    KNOWN_NAMES,
    convert_cells,
    find_name_faults,
    has_json_form,
    is_client_order_id,
    is_like_name,
    translate_spellings,
)
from batch.groups import find_group_faults
from batch.lines import Faults, LineReader, describe_os_error, open_text
from batch.orders import InvalidInput, Order, OrderList

ORDERS_MAX = 1_000_000

_OTHER_SEPARATORS = {
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    ":": "colons",
    "^": "carets",
    "~": "tildes",
    " ": "blanks",
}
_HEADER_NAMES_MIN = 2
"""A line with so many words that were probably meant to be names of fields is a header."""


def read_orders(path: str) -> OrderList:
    """Read a file, or standard input (``-``).

    Raises ``InvalidInput`` with the faults of the file if it has any, and if it cannot be read.
    """
    name = "standard input" if path == "-" else path
    faults = Faults()
    try:
        with open_text(path) as stream:
            orders = _OrderReader(LineReader(stream, faults), faults).read()
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {describe_os_error(error)}") from None
    if faults.count:
        noun = "fault" if faults.count == 1 else "faults"
        text = f"{name} has {faults.count:,} {noun}, nothing was sent\n{faults.describe()}"
        raise InvalidInput(text)
    if not orders.orders:
        raise InvalidInput(f"{name} has no orders")
    return orders


def check_values(orders: OrderList) -> Faults:
    """Find the values that an engine would refuse for their form alone."""
    faults = Faults()
    for line, order in zip(orders.lines, orders.orders, strict=True):
        for reason in find_value_faults(order):
            faults.add(line, reason)
    return faults


class _OrderReader:
    """Reads the orders of a file, and adds its faults."""

    def __init__(self, lines: LineReader, faults: Faults) -> None:
        self._lines = lines
        self._faults = faults
        self._orders = OrderList([], [], "line")
        self._line_by_id: dict[str, int] = {}

    def read(self) -> OrderList:
        """Read all of the file; a file that begins with ``{`` is JSON lines."""
        first = self._lines.find_first_line().lstrip()
        if first.startswith("["):
            line, reason = self._lines.number + 1, "a JSON array begins here"
            self._faults.add(line, f"{reason}: write one order a line, as `jq -c '.[]'` does")
        elif first.startswith("{"):
            self._read_json_lines()
        elif reason := _find_separator_fault(first):
            self._faults.add(self._lines.number + 1, reason)
        elif first:
            self._read_csv()
        for index, reason in find_group_faults(self._orders.orders):
            self._faults.add(self._orders.lines[index], reason)
        return self._orders

    def _add(self, line: int, order: Order) -> None:
        try:
            order = translate_spellings(order)
        except ValueError as error:
            self._faults.add(line, str(error))
            return
        if len(self._orders.orders) == ORDERS_MAX:
            raise InvalidInput(f"more than {ORDERS_MAX:,} orders: split the file")
        self._check_client_order_id(line, order)
        self._orders.orders.append(order)
        self._orders.lines.append(line)

    def _check_client_order_id(self, line: int, order: Order) -> None:
        if "clientOrderId" not in order:
            return
        name = order["clientOrderId"]
        if not is_client_order_id(name):
            limit = CLIENT_ORDER_ID_CHARACTERS_MAX
            self._faults.add(line, f"clientOrderId: must be 1 to {limit} ASCII characters")
        elif (earlier := self._line_by_id.setdefault(name, line)) != line:
            self._faults.add(line, f"clientOrderId: {name!r} is that of line {earlier} too")

    # CSV

    def _read_csv(self) -> None:
        reader = csv.reader(self._lines, strict=True)
        header: list[str] = []
        while True:
            line = self._lines.number + 1
            try:
                row = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                self._faults.add(line, _describe_csv_error(error))
                continue
            if not any(row):
                continue
            if header:
                self._add_row(line, header, row)
            elif self._is_header(line, row):
                header = row
            else:
                return

    def _is_header(self, line: int, names: list[str]) -> bool:
        reasons = _find_header_faults(names)
        for reason in reasons:
            self._faults.add(line, reason)
        return not reasons

    def _add_row(self, line: int, header: list[str], row: list[str]) -> None:
        if len(row) != len(header):
            hint = ": write decimals with a point" if len(row) > len(header) else ""
            reason = f"has {_count_columns(row)}, the header has {len(header)}{hint}"
            self._faults.add(line, reason)
            return
        order: Order = {
            name: sys.intern(value) for name, value in zip(header, row, strict=True) if value
        }
        if reasons := find_name_faults(order):  # of a known header: a value that is missing
            self._faults.add(line, "; ".join(reasons))
            return
        self._add(line, convert_cells(order))

    # JSON lines

    def _read_json_lines(self) -> None:
        for text in self._lines:
            if not text.strip():
                continue
            line = self._lines.number
            try:
                # Numbers with a fraction stay text, so that they are sent exactly as written.
                order = json.loads(
                    text.rstrip(),
                    parse_float=str,
                    parse_constant=_refuse_constant,
                    object_pairs_hook=_build_object,
                )
                self._add_object(line, order)
            except (ValueError, RecursionError) as error:
                self._faults.add(line, _describe_json_error(error))

    def _add_object(self, line: int, order: object) -> None:
        if not isinstance(order, dict):
            raise ValueError("is no JSON object")  # noqa: TRY004 - a fault of the file
        for name, value in order.items():
            if not has_json_form(name, value):
                raise ValueError(f"{name}: must be text or a number")
        if reasons := find_name_faults(order):
            raise ValueError("; ".join(reasons))
        self._add(line, order)


def _find_separator_fault(line: str) -> str:
    """What is wrong with the separator of the first line; empty if nothing is, or it has none."""
    text = line.strip().replace('"', "")
    if text.lower().startswith("sep="):
        return f"{text[:40]} is for spreadsheets: remove this line, and separate columns by commas"
    if _is_header(text.split(",")):
        return ""
    for separator, word in _OTHER_SEPARATORS.items():
        if _is_header(text.split(separator)):
            return f"the columns are separated by {word}: separate them by commas"
    return ""


def _find_header_faults(names: list[str]) -> list[str]:
    if not _is_header(names):
        example = "tokenIn,tokenOut,amount"
        return [f"there is no header: the first line names the columns, such as {example}"]
    return find_name_faults(names)


def _is_header(names: list[str]) -> bool:
    is_like = [is_like_name(name.strip()) for name in names]
    return sum(is_like) >= _HEADER_NAMES_MIN or any(name.strip() in KNOWN_NAMES for name in names)


def _count_columns(row: list[str]) -> str:
    return "1 column" if len(row) == 1 else f"{len(row)} columns"


def _describe_csv_error(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "text follows a closing quote: write a quote within quotes twice"
    return "a quote opens here and is never closed"


def _describe_json_error(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is no JSON object of one line: {error.msg} at character {error.pos + 1}"
    return str(error) if isinstance(error, ValueError) else "is nested too deeply"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _build_object(pairs: list[tuple[str, Any]]) -> Order:
    order = dict(pairs)
    if len(order) != len(pairs):
        raise ValueError(find_name_faults([name for name, _ in pairs])[0])
    return order
