"""Keeps the address that traces are sent to out of the log: its path may be a key."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)
"""Those of libraries that write what they ask for."""


class AddressFilter(logging.Filter):
    """Replaces what follows the host of an address, and its user, in the text of a record."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        texts = (parts.path, parts.path.strip("/"), parts.query, user, parts.password or "")
        self._hidden = sorted({text for text in texts if len(text) > 1}, key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, without the address, and without a traceback that has it."""
        text = record.getMessage()
        for hidden in self._hidden:
            text = text.replace(hidden, "…")
        record.msg, record.args = text, ()
        record.exc_info = record.exc_text = None
        return True


def hide_address(url: str) -> None:
    """Keep an address out of what the libraries log that send traces."""
    address_filter = AddressFilter(url)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(address_filter)
