"""Frame scheduling: frames only when the model changed, at most fifteen a second."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from textual.message_pump import MessagePump

FRAMES_A_SECOND: Final = 15
_DELAY_MIN_S: Final = 0.001
"""Textual never fires a timer of zero length."""


class FrameScheduler:
    """Calls ``paint`` soon after ``wake``; if it returns true, another frame is scheduled."""

    def __init__(self, owner: MessagePump, paint: Callable[[], bool]) -> None:
        self._owner = owner
        self._paint = paint
        self.is_due = False
        self._painted_s = 0.0

    def wake(self) -> None:
        """Schedule a frame, unless one is scheduled."""
        if not self.is_due:
            self.is_due = True
            wait_s = self._painted_s + 1 / FRAMES_A_SECOND - monotonic()
            self._owner.set_timer(max(wait_s, _DELAY_MIN_S), self._paint_frame)

    def _paint_frame(self) -> None:
        self.is_due = False
        self._painted_s = monotonic()
        if self._paint():
            self.wake()
