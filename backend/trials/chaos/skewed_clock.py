"""A process whose clock is wrong: runs a module with the time of day ahead.

    python -m backend.trials.chaos.skewed_clock 30 backend.cli worker

Runs a module with the time of day ahead by so many seconds. Only what Python code asks is moved,
which is all that the engine could ask.
"""

from __future__ import annotations

import datetime
import runpy
import sys
import time
from typing import Any


def main(ahead_s: float, module: str, argv: list[str]) -> None:
    """Move the clock, then be that module."""
    real = datetime.datetime
    ahead = datetime.timedelta(seconds=ahead_s)
    real_time, real_time_ns = time.time, time.time_ns  # noqa: TID251 - it is what is moved

    class Ahead(datetime.datetime):
        """A ``datetime`` whose ``now`` is not now."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            """The wrong time."""
            return real.now(tz) + ahead

    time.time = lambda: real_time() + ahead_s  # noqa: TID251
    time.time_ns = lambda: real_time_ns() + int(ahead_s * 1e9)
    datetime.datetime = Ahead  # type: ignore[misc]
    sys.argv = [module, *argv]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
