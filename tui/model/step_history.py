"""The steps of an order in packed form: tens of thousands are held in memory, few are displayed.

A step is ten bytes (status, attempt, time); the reason of a failed attempt, which only
few steps have, is stored separately.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from sys import intern
from typing import Final, NamedTuple

from tui.model.wire import WireOrder
from tui.text.symbols import STATUSES

_STEP: Final = Struct("<BBq")
_STATUS_CODES: Final = {status: code for code, status in enumerate(STATUSES)}


class AttemptFailure(NamedTuple):
    """The reason why an attempt failed, and the wait before the next one."""

    code: str
    reason: str
    wait_ms: int = 0

    @classmethod
    def read(cls, stored: WireOrder) -> AttemptFailure | None:
        """What a stored order failed by: if it was cancelled that, and not the last attempt."""
        error = stored.get("cancelReason") or stored["lastError"] or ""
        code, _, reason = error.partition(": ")
        return cls(intern(code), reason) if code else None


class Step(NamedTuple):
    """One transition: the order is in ``status`` since ``at_ms`` (Unix time)."""

    seq: int
    status: str
    attempt: int
    at_ms: int
    failure: AttemptFailure | None


class StepHistory:
    """The steps of an order, from ``seq`` 1 on, without gaps; empty until they are loaded."""

    __slots__ = ("_failures", "_packed")

    def __init__(self) -> None:
        self._packed = b""
        self._failures: dict[int, AttemptFailure] | None = None

    def __len__(self) -> int:
        return len(self._packed) // _STEP.size

    def __iter__(self) -> Iterator[Step]:
        failures = self._failures or {}
        for seq, (code, attempt, at_ms) in enumerate(_STEP.iter_unpack(self._packed), start=1):
            yield Step(seq, STATUSES[code], attempt, at_ms, failures.get(seq))

    def copy(self) -> StepHistory:
        """Return a copy that further steps are not added to."""
        other = StepHistory()
        other._packed = self._packed
        other._failures = None if self._failures is None else dict(self._failures)
        return other

    def append(self, status: str, attempt: int, at_ms: int, failure: AttemptFailure | None) -> None:
        """Append the next step."""
        self._packed += _STEP.pack(_STATUS_CODES[status], min(attempt, 255), at_ms)
        if failure is not None:
            self._failures = self._failures or {}
            self._failures[len(self)] = failure
