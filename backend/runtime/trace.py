"""The trace of a process: when each exchange with a server, wait and step of an order happened.

It is off unless a folder is configured, and then costs a call of an empty function at each place.
All processes of one machine share its monotonic clock, so the traces of several are one timeline.
`scripts/bench trace` runs orders one at a time and reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

SUFFIX: Final = ".trace"


class TraceEntry(NamedTuple):
    """What happened in a process, in seconds of the monotonic clock; a step takes no time."""

    process: str
    what: str
    started_s: float
    ended_s: float


def _ignore_step(what: str) -> None:
    """Do nothing: the trace is off."""


def _ignore_span(what: str, started_s: float) -> None:
    """Do nothing: the trace is off."""


mark_step: Callable[[str], None] = _ignore_step
"""Trace a step of an order."""
mark_span: Callable[[str, float], None] = _ignore_span
"""Trace what began at ``started_s`` (``monotonic``) and ends now."""


def is_on() -> bool:
    """Whether this process writes a trace."""
    return mark_step is not _ignore_step


def start_trace(process: str, folder: Path | None) -> None:
    """Write what happens from now on to a file in ``folder``; without a folder, do nothing.

    Raises ``OSError`` if the file cannot be created.
    """
    global mark_step, mark_span
    if folder is None:
        return
    path = folder / f"{process}-{os.getpid()}{SUFFIX}"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(what: str, started_s: float, ended_s: float) -> None:
        # Unbuffered: the process may be killed at any moment.
        os.write(file, f"{what}\t{started_s:.6f}\t{ended_s:.6f}\n".encode())

    def write_span(what: str, started_s: float) -> None:
        write(what, started_s, monotonic())

    def write_step(what: str) -> None:
        now_s = monotonic()
        write(what, now_s, now_s)

    mark_step, mark_span = write_step, write_span


def read_traces(folder: Path) -> list[TraceEntry]:
    """The entries of all processes that wrote to ``folder``, in order of their start."""
    entries = [
        TraceEntry(path.name.partition("-")[0], what, float(started), float(ended))
        for path in folder.glob(f"*{SUFFIX}")
        for what, started, ended in (line.split("\t") for line in path.read_text().splitlines())
    ]
    return sorted(entries, key=lambda entry: entry.started_s)
