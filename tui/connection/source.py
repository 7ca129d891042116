"""The interface of message sources: the feed of a server, or the replay of a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tui.model.messages import Message

MessageHandler = Callable[[Message, int], None]
"""Handles a message and the time (Unix time in milliseconds) at which it arrived."""


class MessageSource(Protocol):
    """Produces messages, and provides the clock that they are stamped with."""

    def now_ms(self) -> int:
        """Unix time in milliseconds: the current time, or the time of the recording."""
        ...

    async def run(self, handle_message: MessageHandler) -> None:
        """Pass on every message as it arrives, until there are no more."""
        ...
