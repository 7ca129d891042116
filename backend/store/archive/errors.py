"""The error of an archive, with a sentence for the person who archives."""

from __future__ import annotations


class ArchiveError(Exception):
    """An archive cannot be written, continued or read; nothing is removed that is not in it."""
