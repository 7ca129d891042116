"""Times as options of commands."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import click

SECONDS_MAX: Final = 10 * 365 * 86_400
_TEXT: Final = re.compile(r"(\d{1,10})([smhd])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Duration(click.ParamType[timedelta]):
    """A time such as ``90d``, ``24h``, ``30m`` or ``10s``, of ``seconds_min`` at least."""

    name = "duration"

    def __init__(self, seconds_min: int = 0) -> None:
        self._seconds_min = seconds_min

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        """The time that a text says."""
        if isinstance(value, timedelta):
            return value
        found = _TEXT.fullmatch(value)
        seconds = int(found[1]) * _UNIT_S[found[2]] if found else -1
        if not self._seconds_min <= seconds <= SECONDS_MAX:
            least = f"{self._seconds_min} s at least and " if self._seconds_min else ""
            self.fail(f"must be a number with s, m, h or d, {least}ten years at most, such as 90d")
        return timedelta(seconds=seconds)
