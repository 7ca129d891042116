"""The connection as the model sees it: which state it is in, and whose clock is right."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from tui.model.messages import Connected, Connecting, Heartbeat, Lost
from tui.text.format import parse_at

QUIET_MS: Final = 8_000
"""A server says something at least every five seconds."""


class State(StrEnum):
    """What can be said about the connection."""

    CONNECTING = "connecting"
    LOADING = "loading"
    LIVE = "live"
    OFFLINE = "offline"


class Link:
    """Follows the messages about the connection."""

    def __init__(self) -> None:
        self.state = State.CONNECTING
        self.url = ""
        self.tries = 0
        self.reason = ""
        self.epoch = ""
        self.heard_ms = 0
        self.lost_ms = 0
        self.retry_at_ms = 0
        self.ahead_ms = 0
        """How far the server's clock is ahead of ours."""

    def connecting(self, message: Connecting, at_ms: int) -> None:
        """A connection is being made."""
        self.url, self.tries = message.url, message.tries
        if not self.lost_ms:
            self.state = State.CONNECTING
        self.retry_at_ms = at_ms

    def connected(self, message: Connected, at_ms: int) -> None:
        """The server said hello."""
        self.epoch = message.epoch
        self.state = State.LOADING if message.is_fresh else State.LIVE
        self.lost_ms = 0
        self._hear(message.server_at, at_ms)

    def loaded(self) -> None:
        """Everything that is stored is known."""
        if self.state is State.LOADING:
            self.state = State.LIVE

    def heard(self, at_ms: int) -> None:
        """The server said something."""
        self.heard_ms = at_ms

    def heartbeat(self, message: Heartbeat, at_ms: int) -> None:
        """The server said that it is there."""
        self._hear(message.server_at, at_ms)

    def lost(self, message: Lost, at_ms: int) -> None:
        """The connection is gone."""
        if self.state is not State.OFFLINE:
            self.lost_ms = at_ms
        self.state = State.OFFLINE
        self.reason = message.reason
        self.retry_at_ms = at_ms + message.retry_ms

    def quiet_ms(self, now_ms: int) -> int:
        """How long the server has said nothing that it should have said; 0 if all is well."""
        silence = now_ms - self.heard_ms
        return silence if self.state is State.LIVE and silence >= QUIET_MS else 0

    def server_ms(self, now_ms: int) -> int:
        """The server's time."""
        return now_ms + self.ahead_ms

    def _hear(self, server_at: str, at_ms: int) -> None:
        self.heard_ms = at_ms
        self.ahead_ms = parse_at(server_at) - at_ms
