"""API keys as they are configured: ``owner:key`` pairs, separated by commas.

What is malformed is refused, so that a mistake never lets in more callers than were meant. No
message repeats a key, nor a name: where the two are swapped, the name is the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

KEY_LENGTH_MIN: Final = 16


def parse_api_keys(text: str) -> tuple[str, ...]:
    """The pairs in a setting; an empty text has none. Raises ``ValueError`` with the reason."""
    return check_api_keys(text.split(",")) if text else ()


def check_api_keys(pairs: Sequence[str]) -> tuple[str, ...]:
    """Pairs that are all right. Raises ``ValueError`` with the entry and the reason."""
    entry_by_key: dict[str, int] = {}
    for entry, pair in enumerate(pairs, start=1):
        owner, colon, key = pair.partition(":")
        if reason := _find_fault(owner, colon, key):
            raise ValueError(f"is invalid: entry {entry} {reason}")
        if key in entry_by_key:
            raise ValueError(
                f"is invalid: entry {entry} has the key of entry {entry_by_key[key]}: each owner"
                " needs a key of its own"
            )
        entry_by_key[key] = entry
    return tuple(pairs)


def _find_fault(owner: str, colon: str, key: str) -> str:
    """What is wrong with a pair; empty if nothing is."""
    is_sendable = all("!" <= letter <= "~" for letter in key)
    faults = (
        (not f"{owner}{colon}{key}".strip(), "is empty: write owner:key pairs between commas"),
        (not colon, "has no colon: write owner:key"),
        (not owner.strip(), "has no owner: write owner:key"),
        (owner != owner.strip(), "has a blank beside its owner: remove it"),
        (not owner.isprintable(), "has an owner with characters that cannot be printed"),
        (not is_sendable, "has a key with blanks or letters beyond ASCII: no header carries it"),
        (
            len(key) < KEY_LENGTH_MIN,
            f"has a key of {len(key)} letters: it needs {KEY_LENGTH_MIN} or more",
        ),
    )
    return next((reason for is_fault, reason in faults if is_fault), "")
