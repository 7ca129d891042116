"""Answers of a terminal to queries, told apart from keys that were typed.

Textual asks a terminal what it can do, and reads its answers. One that comes in two parts, or of a
kind that it does not know, it passes on as keys: ``[?2026;2$y`` would switch two statuses on.
"""

from __future__ import annotations

import re
from typing import Final

from textual.events import Key, Paste

KeyEvent = Key | Paste

_ANSWER: Final = re.compile(
    r"\[[?>][\d;]*\$?[a-zA-Z]"  # modes, attributes, keyboards
    r"|\[\d+;\d+(?:;\d+)*[Rt]"  # positions and sizes
    r"|\]\d{1,2};(?:rgba?:[\da-fA-F/]+)(?:\\|\x07)"  # colours
)
_PART: Final = re.compile(
    r"\[(?:[?>][\d;]*\$?|\d*|\d+;[\d;]*)|\](?:\d{0,2}|\d{1,2};(?:r?g?b?a?:?|rgba?:[\da-fA-F/]*))"
)
_ESCAPES: Final = frozenset({"escape", "circumflex_accent"})
"""What Textual makes of an escape within an answer."""
_BELL_KEY: Final = "ctrl+g"


class TerminalAnswers:
    """Holds keys back that may be an answer, and drops those that are one."""

    def __init__(self) -> None:
        self._held: list[KeyEvent] = []
        self._text = ""

    @property
    def is_holding(self) -> bool:
        """Whether keys are held back."""
        return bool(self._held)

    @property
    def is_within_answer(self) -> bool:
        """Whether what is held is more than the first character of an answer."""
        return len(self._text) > 1

    def sort_out(self, event: KeyEvent) -> list[KeyEvent]:
        """Take the next key, and return those that were typed."""
        self._held.append(event)
        if isinstance(event, Paste):
            return self.release()
        if event.key in _ESCAPES:
            if self._text and _PART.fullmatch(self._text):  # before the end of a colour
                return []
            typed = self._held[:-1]
            self._held, self._text = [event], ""
            return typed
        self._text += "\x07" if event.key == _BELL_KEY else event.character or "\x00"
        if _ANSWER.fullmatch(self._text):
            self._held, self._text = [], ""
            return []
        return [] if _PART.fullmatch(self._text) else self.release()

    def release(self) -> list[KeyEvent]:
        """Return all that is held: it was typed."""
        typed, self._held, self._text = self._held, [], ""
        return typed
