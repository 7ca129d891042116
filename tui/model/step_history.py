"""The steps of one order, packed: tens of thousands of orders are kept, and few are looked at.

A step is ten bytes (status, attempt, time); what only a few steps know, the reason of a failed
attempt, is kept beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from tui.text.symbols import STATUSES

_STEP: Final = Struct("<BBq")
_CODES: Final = {status: code for code, status in enumerate(STATUSES)}


class Trouble(NamedTuple):
    """Why an attempt ended without success, and how long the next one waits."""

    code: str
    reason: str
    wait_ms: int = 0


class Step(NamedTuple):
    """One transition: the order is in ``status`` since ``at_ms`` (Unix time)."""

    seq: int
    status: str
    attempt: int
    at_ms: int
    trouble: Trouble | None


class Trail:
    """The steps of an order, from ``seq`` 1 on, without gaps; empty if they were not fetched."""

    __slots__ = ("_packed", "_troubles")

    def __init__(self) -> None:
        self._packed = b""
        self._troubles: dict[int, Trouble] | None = None

    def __len__(self) -> int:
        return len(self._packed) // _STEP.size

    def __iter__(self) -> Iterator[Step]:
        troubles = self._troubles or {}
        for seq, (code, attempt, at_ms) in enumerate(_STEP.iter_unpack(self._packed), start=1):
            yield Step(seq, STATUSES[code], attempt, at_ms, troubles.get(seq))

    def copy(self) -> Trail:
        """The same steps, which further ones are not added to."""
        other = Trail()
        other._packed = self._packed
        other._troubles = None if self._troubles is None else dict(self._troubles)
        return other

    def append(self, status: str, attempt: int, at_ms: int, trouble: Trouble | None) -> None:
        """Add the next step."""
        self._packed += _STEP.pack(_CODES[status], min(attempt, 255), at_ms)
        if trouble is not None:
            self._troubles = self._troubles or {}
            self._troubles[len(self)] = trouble
