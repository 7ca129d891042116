"""The lines of a file of orders, read one by one with bounds, and the faults found in them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from batch.orders import InvalidInput

FAULTS_SHOWN_MAX = 20
LINE_CHARACTERS_MAX = 10_000

_BYTE_ORDER_MARKS_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")


@dataclass(slots=True)
class Faults:
    """The faults of a file: the first ones in words, all of them counted."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, reason: str) -> None:
        """Add a fault of a line."""
        self.count += 1
        if self.count <= FAULTS_SHOWN_MAX:
            self.shown.append(f"line {line}: {reason}")

    def describe(self) -> str:
        """Describe the faults, a line each, and how many more there are."""
        more = self.count - len(self.shown)
        return "\n".join([*self.shown, *([f"… and {more:,} more"] if more else [])])


def describe_os_error(error: OSError) -> str:
    """Describe why a file cannot be opened, read or written, in words."""
    reasons: dict[type[OSError], str] = {
        FileNotFoundError: "it does not exist",
        PermissionError: "you have no permission",
        IsADirectoryError: "it is a folder",
    }
    return reasons.get(type(error), (error.strerror or str(error)).lower())


def open_text(path: str) -> io.TextIOWrapper:
    """Open a file, or standard input (``-``), as UTF-8; raises ``OSError``."""
    # Bytes that are no UTF-8 become surrogates, so that the line that has them is known.
    options: dict[str, Any] = {
        "encoding": "utf-8-sig",
        "errors": "surrogateescape",
        "newline": "",
    }
    if path == "-":
        return io.TextIOWrapper(io.BufferedReader(os.fdopen(os.dup(0), "rb", 0)), **options)
    return io.TextIOWrapper(Path(path).open("rb"), **options)


class LineReader:
    """Yields the lines of a text; ``number`` is that of the last one, from 1."""

    def __init__(self, stream: io.TextIOWrapper, faults: Faults) -> None:
        self._stream = stream
        self._faults = faults
        self._pushed: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._pushed:
            self.number += 1
            return self._pushed.pop()
        line = self._stream.readline(LINE_CHARACTERS_MAX + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LINE_CHARACTERS_MAX:
            self._refuse(f"is longer than {LINE_CHARACTERS_MAX:,} characters")
        return line if line.isascii() and "\0" not in line else self._check_encoding(line)

    def find_first_line(self) -> str:
        """The first line that is not blank, which is read again by the next iteration."""
        for line in self:
            if line.strip():
                self._pushed.append(line)
                self.number -= 1
                return line
        return ""

    def _check_encoding(self, line: str) -> str:
        if self.number == 1 and line.startswith(_BYTE_ORDER_MARKS_UTF_16):
            self._refuse("is UTF-16: save the file as UTF-8")
        if "\0" in line:
            self._refuse("has a NUL character, as no text in UTF-8 has: save the file as UTF-8")
        try:
            line.encode()
        except UnicodeEncodeError as error:
            byte = ord(line[error.start]) - 0xDC00
            self._faults.add(self.number, f"is no UTF-8 text (byte 0x{byte:02X})")
            return line.encode(errors="replace").decode()
        return line

    def _refuse(self, reason: str) -> NoReturn:
        raise InvalidInput(f"the file is no list of orders\nline {self.number}: {reason}")
