"""Recordings: every message with its time, a line of JSON each; and the same lines as a source.

A recording is a demonstration, a bug report and a test in one: replayed, it gives the very model
that was seen. ``.gz`` files are compressed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from tui.connection.source import Put
from tui.model.messages import KINDS, Message
from tui.text.format import SECOND_MS

_VERSION: Final = 1
_NAMES: Final = {kind: name for name, kind in KINDS.items()}


class BadRecording(Exception):
    """A file is not a recording; the text says which line is wrong."""


class Recorded(NamedTuple):
    """A message and the time at which it came."""

    at_ms: int
    message: Message


class Recorder:
    """Writes messages to a file as they come; raises ``OSError`` if it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._file = _open(path, "wt")
        try:
            self._write({"recording": _VERSION})
        except OSError:
            with suppress(OSError):
                self.close()
            raise

    def write(self, message: Message, at_ms: int) -> None:
        """Add a message."""
        line: dict[str, object] = {"at": at_ms, "is": _NAMES[type(message)]}
        self._write(line | {each.name: getattr(message, each.name) for each in fields(message)})

    def close(self) -> None:
        """Write what is left."""
        self._file.close()

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()


def read(path: Path) -> Iterator[Recorded]:
    """The messages of a recording; raises ``BadRecording`` or ``OSError``.

    A last line that was cut off, as by a kill, is left out.
    """
    with _open(path, "rt") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield from _message(json.loads(line), number)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise BadRecording(f"{path}, line {number}: {error!r}") from None


class Replay:
    """Plays a recording at ``speed`` times its own pace; 0 is at once."""

    def __init__(self, path: Path, *, speed: float, time_s: Callable[[], float]) -> None:
        self._messages = read(path)
        self._speed = speed
        self._time_s = time_s
        self._began_s = time_s()
        self._first = next(self._messages, None)
        self._at_ms = 0 if self._first is None else self._first.at_ms
        self.is_over = False

    def now_ms(self) -> int:
        """The time of the recording; it stops at the end."""
        if self.is_over or not self._speed or self._first is None:
            return self._at_ms
        passed_s = (self._time_s() - self._began_s) * self._speed
        return max(self._at_ms, self._first.at_ms + round(passed_s * SECOND_MS))

    async def run(self, put: Put) -> None:
        """Play to the end."""
        self._began_s = self._time_s()
        if self._first is not None:
            await self._play(self._first, self._first.at_ms, put)
            for recorded in self._messages:
                await self._play(recorded, self._first.at_ms, put)
        self.is_over = True

    async def _play(self, recorded: Recorded, began_ms: int, put: Put) -> None:
        wait_s = 0.0
        if self._speed:
            due_s = self._began_s + (recorded.at_ms - began_ms) / SECOND_MS / self._speed
            wait_s = max(due_s - self._time_s(), 0)
        await asyncio.sleep(wait_s)
        self._at_ms = recorded.at_ms
        try:
            put(recorded.message, recorded.at_ms)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecording(
                f"the message of {recorded.at_ms} makes no sense: {error!r}"
            ) from None


def _message(line: dict[str, object], number: int) -> Iterator[Recorded]:
    if number == 1:
        if line["recording"] != _VERSION:
            raise ValueError(f"a recording of version {line['recording']} is not known")
        return
    at_ms, kind = int(str(line.pop("at"))), str(line.pop("is"))
    yield Recorded(at_ms, KINDS[kind](**line))  # type: ignore[arg-type]


def _open(path: Path, mode: str) -> IO[str]:
    if path.suffix == ".gz":
        file = gzip.open(path, mode, encoding="utf-8")  # noqa: SIM115 - the caller closes it
        return cast(IO[str], file)
    return path.open(mode, encoding="utf-8")
