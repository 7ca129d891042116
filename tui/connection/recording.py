"""Recordings: every message with its time as JSON lines, and their replay as a message source.

A recording serves as a demonstration, a bug report and a test: its replay builds exactly the model
that was displayed. ``.gz`` files are compressed.

File format: the keys of a line are ``at``, ``is`` (a name of ``KINDS``) and the field names of the
message class.
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

from tui.connection.source import MessageHandler
from tui.model.messages import KINDS, Message
from tui.text.format import SECOND_MS

_VERSION: Final = 1
_KIND_NAMES: Final = {kind: name for name, kind in KINDS.items()}


class InvalidRecording(Exception):
    """A file is not a valid recording; the text names the invalid line."""


class RecordedMessage(NamedTuple):
    """A message and the time at which it arrived."""

    at_ms: int
    message: Message


class Recorder:
    """Appends messages to a file as they arrive; raises ``OSError`` if writing fails."""

    def __init__(self, path: Path) -> None:
        self._file = _open_file(path, "wt")
        try:
            self._write({"recording": _VERSION})
        except OSError:
            with suppress(OSError):
                self.close()
            raise

    def write(self, message: Message, at_ms: int) -> None:
        """Append a message."""
        line: dict[str, object] = {"at": at_ms, "is": _KIND_NAMES[type(message)]}
        self._write(line | {field.name: getattr(message, field.name) for field in fields(message)})

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()


def read_recording(path: Path) -> Iterator[RecordedMessage]:
    """Read the messages of a recording; raises ``InvalidRecording`` or ``OSError``.

    A truncated last line, as a killed process leaves it, is ignored.
    """
    with _open_file(path, "rt") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield from _parse_line(json.loads(line), number)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise InvalidRecording(f"{path}, line {number}: {error!r}") from None


class Replay:
    """Replays a recording at ``speed`` times real time; 0 is as fast as possible."""

    def __init__(self, path: Path, *, speed: float, time_s: Callable[[], float]) -> None:
        self._messages = read_recording(path)
        self._speed = speed
        self._time_s = time_s
        self._began_s = time_s()
        self._first = next(self._messages, None)
        self._at_ms = 0 if self._first is None else self._first.at_ms
        self.is_finished = False

    def now_ms(self) -> int:
        """The current time of the recording; it stops at the end."""
        if self.is_finished or not self._speed or self._first is None:
            return self._at_ms
        elapsed_s = (self._time_s() - self._began_s) * self._speed
        return max(self._at_ms, self._first.at_ms + round(elapsed_s * SECOND_MS))

    async def run(self, handle_message: MessageHandler) -> None:
        """Replay to the end."""
        self._began_s = self._time_s()
        if self._first is not None:
            await self._play_message(self._first, self._first.at_ms, handle_message)
            for recorded in self._messages:
                await self._play_message(recorded, self._first.at_ms, handle_message)
        self.is_finished = True

    async def _play_message(
        self, recorded: RecordedMessage, began_ms: int, handle_message: MessageHandler
    ) -> None:
        wait_s = 0.0
        if self._speed:
            due_s = self._began_s + (recorded.at_ms - began_ms) / SECOND_MS / self._speed
            wait_s = max(due_s - self._time_s(), 0)
        await asyncio.sleep(wait_s)
        self._at_ms = recorded.at_ms
        try:
            handle_message(recorded.message, recorded.at_ms)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRecording(
                f"the message of {recorded.at_ms} makes no sense: {error!r}"
            ) from None


def _parse_line(line: dict[str, object], number: int) -> Iterator[RecordedMessage]:
    if number == 1:
        if line["recording"] != _VERSION:
            raise ValueError(f"a recording of version {line['recording']} is not known")
        return
    at_ms, kind = int(str(line.pop("at"))), str(line.pop("is"))
    yield RecordedMessage(at_ms, KINDS[kind](**line))  # type: ignore[arg-type]


def _open_file(path: Path, mode: str) -> IO[str]:
    if path.suffix == ".gz":
        file = gzip.open(path, mode, encoding="utf-8")  # noqa: SIM115 - the caller closes it
        return cast(IO[str], file)
    return path.open(mode, encoding="utf-8")
