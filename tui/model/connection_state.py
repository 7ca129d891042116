"""State of the connection in the model, and the offset between the server's clock and ours."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from tui.model.messages import Connected, Connecting, Heartbeat, Lost
from tui.text.format import parse_timestamp_ms

INACTIVITY_MIN_MS: Final = 8_000
"""The server sends a heartbeat at least every five seconds."""


class ConnectionStatus(StrEnum):
    """Status of the connection."""

    CONNECTING = "connecting"
    LOADING = "loading"
    LIVE = "live"
    OFFLINE = "offline"


class ConnectionState:
    """State of the connection, updated by the messages about it."""

    def __init__(self) -> None:
        self.status = ConnectionStatus.CONNECTING
        self.url = ""
        self.tries = 0
        self.reason = ""
        self.epoch = ""
        self.last_message_ms = 0
        self.lost_at_ms = 0
        self.retry_at_ms: int | None = 0
        """When the next attempt follows; ``None`` while the server refuses this client."""
        self.clock_offset_ms = 0
        """Server clock minus local clock."""

    def on_connecting(self, message: Connecting, at_ms: int) -> None:
        """Handle the start of a connection attempt."""
        self.url, self.tries = message.url, message.tries
        if not self.lost_at_ms:
            self.status = ConnectionStatus.CONNECTING
        self.retry_at_ms = at_ms

    def on_connected(self, message: Connected, at_ms: int) -> None:
        """Handle the hello frame of the server."""
        self.epoch = message.epoch
        self.status = ConnectionStatus.LOADING if message.is_fresh else ConnectionStatus.LIVE
        self.lost_at_ms = 0
        self._sync_clock(message.server_at, at_ms)

    def on_loaded(self) -> None:
        """Handle the end of loading the stored orders."""
        if self.status is ConnectionStatus.LOADING:
            self.status = ConnectionStatus.LIVE

    def on_message(self, at_ms: int) -> None:
        """Handle any message from the server."""
        self.last_message_ms = at_ms

    def on_heartbeat(self, message: Heartbeat, at_ms: int) -> None:
        """Handle a heartbeat of the server."""
        self._sync_clock(message.server_at, at_ms)

    def on_lost(self, message: Lost, at_ms: int) -> None:
        """Handle a lost connection."""
        if self.status is not ConnectionStatus.OFFLINE:
            self.lost_at_ms = at_ms
        self.status = ConnectionStatus.OFFLINE
        self.reason = message.reason
        self.retry_at_ms = None if message.retry_ms is None else at_ms + message.retry_ms

    def inactive_ms(self, now_ms: int) -> int:
        """Return the time since the last message if it exceeds the heartbeat interval, else 0."""
        inactive_ms = now_ms - self.last_message_ms
        return (
            inactive_ms
            if self.status is ConnectionStatus.LIVE and inactive_ms >= INACTIVITY_MIN_MS
            else 0
        )

    def to_server_ms(self, now_ms: int) -> int:
        """Convert a local time to the server's time."""
        return now_ms + self.clock_offset_ms

    def _sync_clock(self, server_at: str, at_ms: int) -> None:
        self.last_message_ms = at_ms
        self.clock_offset_ms = parse_timestamp_ms(server_at) - at_ms
