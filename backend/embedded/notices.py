"""What a supervisor tells: one notice for each thing that happens to a process it keeps.

The supervisors neither log nor print. Whoever starts them passes a ``Tell`` and decides what
becomes of a notice: a log line, a row of a table, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What can happen to a process that is kept running."""

    READY = "is ready"
    DIED = "died"
    """Unexpectedly; it is started again."""
    STOPPED = "stopped"
    KILLED = "was killed"
    """It was asked to stop and did not do so in its time."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to ``process``; as a string it is a sentence for people."""

    process: str
    what: What
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.process} {self.what}" + (f": {self.detail}" if self.detail else "")


Tell = Callable[[Notice], None]


def untold(_: Notice) -> None:
    """Tells nobody."""
