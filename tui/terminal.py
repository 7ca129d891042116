"""The terminal itself: whether it is still there, and who has its mouse."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable
from threading import Thread
from time import sleep
from typing import Final

_LOOK_S: Final = 1
_HUNG_UP: Final = 128 + signal.SIGHUP

MOUSE_ON: Final = "\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h"
MOUSE_OFF: Final = "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"


def find() -> int | None:
    """The terminal that keys come from, if there is one and it can be drawn on too."""
    try:
        keys, screen = sys.__stdin__, sys.__stderr__
        if keys is not None and screen is not None and keys.isatty() and screen.isatty():
            return keys.fileno()
    except (OSError, ValueError):
        pass  # it is closed
    return None


def watch(terminal: int, leave: Callable[[], None]) -> None:
    """End the process when the terminal goes away; ``leave`` is called before, to save things.

    Whoever goes on without a terminal burns a processor on reading nothing. And nothing gentler
    will do: what is still to be written to a dead terminal can block every other thread for ever.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # this looks for itself, which always works
    Thread(target=_watch, args=(terminal, leave), daemon=True).start()


def _watch(terminal: int, leave: Callable[[], None]) -> None:
    while not _is_gone(terminal):
        sleep(_LOOK_S)
    leave()
    os._exit(_HUNG_UP)


def _is_gone(terminal: int) -> bool:
    # Asked for its settings, not for its processes: under ``su -c`` it is not our controlling one.
    try:
        termios.tcgetattr(terminal)
    except termios.error:
        return True
    return False
