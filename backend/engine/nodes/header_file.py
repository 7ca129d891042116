"""The value of an HTTP header, in a file that a setting names."""

from __future__ import annotations

from pathlib import Path

from backend.config.secret_files import read_secret_file


def read_header(path: Path | None, setting: str) -> str:
    """The value in a file that only its owner can read; empty without one.

    Raises ``ConfigurationError``.
    """
    return "" if path is None else read_secret_file(path, setting)
