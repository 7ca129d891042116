"""The terminal itself: whether it is still there, and who has its mouse."""

from __future__ import annotations

import os
import sys
from typing import Final

MOUSE_ON: Final = "\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h"
MOUSE_OFF: Final = "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"


def standard_input() -> int | None:
    """The terminal that keys come from, if there is one."""
    stream = sys.__stdin__
    try:
        number = None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
    return number if number is not None and os.isatty(number) else None


def is_gone(terminal: int) -> bool:
    """Whether a terminal was closed: whoever goes on without one only burns a processor."""
    try:
        os.tcgetpgrp(terminal)
    except OSError:
        return True
    return False
