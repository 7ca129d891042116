"""The value of an HTTP header, in a file that a setting names."""

from __future__ import annotations

from pathlib import Path

from backend.config import ConfigurationError


def read_header(path: Path | None, setting: str) -> str:
    """The value in a file; empty without one. Raises ``ConfigurationError``."""
    if path is None:
        return ""
    try:
        header = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise ConfigurationError(f"{setting}: {reason}") from None
    if not header.isprintable() or not header:
        raise ConfigurationError(f"{setting}: must hold one line of text")
    return header
