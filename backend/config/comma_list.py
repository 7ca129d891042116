"""Lists in the text of a setting."""

from __future__ import annotations


def split_commas(text: str) -> list[str]:
    """The entries of a text between commas, without blanks around them and without empty ones."""
    return [entry for part in text.split(",") if (entry := part.strip())]
