"""The terminal device: detects it, watches for its hang-up, and switches mouse reporting."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable
from threading import Thread
from time import sleep
from typing import Final

_CHECK_INTERVAL_S: Final = 1
_HANGUP_EXIT_CODE: Final = 128 + signal.SIGHUP

MOUSE_ON: Final = "\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h"
MOUSE_OFF: Final = "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"


def find_terminal() -> int | None:
    """Return the descriptor of the input terminal, if input and output are terminals."""
    try:
        keys, screen = sys.__stdin__, sys.__stderr__
        if keys is not None and screen is not None and keys.isatty() and screen.isatty():
            return keys.fileno()
    except (OSError, ValueError):
        pass  # the stream is closed
    return None


def watch_terminal(terminal: int, save_state: Callable[[], None]) -> None:
    """Exit the process when the terminal hangs up, after calling ``save_state``.

    Without a terminal the input loop would spin on end of file and use a whole CPU core. A
    graceful exit is not possible: pending output to a closed terminal can block every other thread
    for ever.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the polling thread detects every hang-up
    Thread(target=_run_watch, args=(terminal, save_state), daemon=True).start()


def _run_watch(terminal: int, save_state: Callable[[], None]) -> None:
    while not _is_closed(terminal):
        sleep(_CHECK_INTERVAL_S)
    save_state()
    os._exit(_HANGUP_EXIT_CODE)


def _is_closed(terminal: int) -> bool:
    # Reads the terminal settings and not the process group: under ``su -c`` this is not the
    # controlling terminal.
    try:
        termios.tcgetattr(terminal)
    except termios.error:
        return True
    return False
