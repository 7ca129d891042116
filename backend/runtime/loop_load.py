"""The load of this process's event loop: the share of time in which it works, or would if it could.

Waiting for company makes a call cheaper and its items later. That is worth it only while the loop
has no time to spare, so every such wait follows from the load: none below ``SPARE_SHARE``, the
whole of it from ``FULL_SHARE`` on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, thread_time
from typing import Final

SPARE_SHARE: Final = 0.5
FULL_SHARE: Final = 0.9
WINDOW_S: Final = 0.05
"""Shortest time over which the load is measured."""
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"
_SCHEDSTAT_BYTES_MAX: Final = 100
_NS_PER_S: Final = 1e9


class _ThreadUsage(threading.local):
    """The kernel's figures of the thread that asks; its file stays open, as it is read often."""

    def __init__(self) -> None:
        try:
            self._file = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def read_busy_s(self) -> float:
        try:
            ran_ns, waited_ns, _ = os.pread(self._file, _SCHEDSTAT_BYTES_MAX, 0).split()
        except (OSError, ValueError):
            return thread_time()
        return (int(ran_ns) + int(waited_ns)) / _NS_PER_S


_usage: Final = _ThreadUsage()


def read_busy_s() -> float:
    """The seconds in which this thread has worked, or waited for a processor where Linux tells."""
    return _usage.read_busy_s()


class LoopLoad:
    """Measures the thread that calls it; nothing runs while nobody asks."""

    def __init__(self) -> None:
        self._read_busy_s: Callable[[], float] = read_busy_s
        self._clock: Callable[[], float] = monotonic
        self._measured_at = 0.0
        self._busy_s = 0.0
        self._share = 0.0

    def measure(self) -> float:
        """The share of the time since the last measurement, from 0 to 1."""
        now = self._clock()
        passed_s = now - self._measured_at
        if passed_s >= WINDOW_S:
            busy_s = self._read_busy_s()
            self._share = min((busy_s - self._busy_s) / passed_s, 1.0)
            self._measured_at, self._busy_s = now, busy_s
        return self._share

    def scale(self, wait_s: float) -> float:
        """The part of a wait for company that pays off now."""
        pressure = (self.measure() - SPARE_SHARE) / (FULL_SHARE - SPARE_SHARE)
        return wait_s * min(max(pressure, 0.0), 1.0)

    @contextmanager
    def fix_share(self, share: float) -> Iterator[None]:
        """Assume a load while a block runs: where time is simulated, none can be measured."""
        clock, earlier_share = self._clock, self._share
        self._clock, self._share = lambda: self._measured_at, share
        try:
            yield
        finally:
            self._clock, self._share = clock, earlier_share


loop_load: Final = LoopLoad()
"""The load of the loop of this process."""
