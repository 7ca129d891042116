"""The terminal itself: whether it is still there, and who has its mouse."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from threading import Thread
from typing import Final

_LOOK_MS: Final = 1_000
_HUNG_UP: Final = 128 + signal.SIGHUP

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


def watch(terminal: int, leave: Callable[[], None]) -> None:
    """End the process when the terminal goes away; ``leave`` is called before, to save things.

    Whoever goes on without a terminal burns a processor on reading nothing. And nothing gentler
    will do: what is still to be written to a dead terminal can block every other thread for ever.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # this looks for itself, which always works
    Thread(target=_watch, args=(terminal, leave), daemon=True).start()


def _watch(terminal: int, leave: Callable[[], None]) -> None:
    hang_up = select.poll()
    hang_up.register(terminal, 0)
    while not hang_up.poll(_LOOK_MS) and not _is_gone(terminal):
        pass
    leave()
    os._exit(_HUNG_UP)


def _is_gone(terminal: int) -> bool:
    try:
        os.tcgetpgrp(terminal)
    except OSError:
        return True
    return False
