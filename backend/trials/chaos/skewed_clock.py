"""Runs a module in a process whose wall clock is ahead by some seconds.

    python -m backend.trials.chaos.skewed_clock 30 backend.cli worker

Only the clocks that Python code reads are skewed, which are all that the engine could read.
"""

from __future__ import annotations

import datetime
import runpy
import sys
import time
from typing import Any


def run_with_skew(ahead_s: float, module: str, argv: list[str]) -> None:
    """Skew the clock, then run the module as ``__main__``."""
    real_datetime = datetime.datetime
    ahead = datetime.timedelta(seconds=ahead_s)
    real_time, real_time_ns = time.time, time.time_ns  # noqa: TID251 - it is what is skewed

    class SkewedDatetime(datetime.datetime):
        """A ``datetime`` whose ``now`` is ahead."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            """Return the skewed time."""
            return real_datetime.now(tz) + ahead

    time.time = lambda: real_time() + ahead_s  # noqa: TID251
    time.time_ns = lambda: real_time_ns() + int(ahead_s * 1e9)
    datetime.datetime = SkewedDatetime  # type: ignore[misc]
    sys.argv = [module, *argv]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_with_skew(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
