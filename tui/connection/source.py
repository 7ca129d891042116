"""Where messages come from: a server that is followed, or a recording that is played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tui.model.messages import Message

Put = Callable[[Message, int], None]
"""Takes a message and the time (Unix time in milliseconds) at which it came."""


class Source(Protocol):
    """Gives messages, and tells what time it is for them."""

    def now_ms(self) -> int:
        """Unix time in milliseconds: now, or of the recording."""
        ...

    async def run(self, put: Put) -> None:
        """Give every message as it comes, until there are no more."""
        ...
