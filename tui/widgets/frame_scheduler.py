"""Frames when there is something to draw, at most fifteen a second, and none otherwise."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from textual.message_pump import MessagePump

FRAMES_A_SECOND: Final = 15
_SOON_S: Final = 0.001
"""A timer of no length never fires."""


class Pump:
    """Calls ``paint`` soon after ``wake``. It answers whether it left something to be drawn."""

    def __init__(self, owner: MessagePump, paint: Callable[[], bool]) -> None:
        self._owner = owner
        self._paint = paint
        self.is_due = False
        self._painted_s = 0.0

    def wake(self) -> None:
        """Something changed."""
        if not self.is_due:
            self.is_due = True
            wait_s = self._painted_s + 1 / FRAMES_A_SECOND - monotonic()
            self._owner.set_timer(max(wait_s, _SOON_S), self._frame)

    def _frame(self) -> None:
        self.is_due = False
        self._painted_s = monotonic()
        if self._paint():
            self.wake()
