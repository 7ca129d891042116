"""A log of events with virtual times, which makes a schedule readable and comparable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from uuid import UUID

_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Trace:
    """An append-only log; ``now`` returns the virtual time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._entries: list[tuple[float, str, tuple[object, ...]]] = []

    def add(self, actor: str, *words: object) -> None:
        """Append an entry. It is formatted only when it is read, which most schedules never are."""
        self._entries.append((self.now(), actor, words))

    def lines(self) -> Iterator[str]:
        """Yield one line for each entry."""
        for at, actor, words in self._entries:
            yield f"{at:10.4f}  {actor:<10} {' '.join(_format_value(each) for each in words)}"

    def digest(self) -> str:
        """Hash all lines: equal if and only if the same happened at the same times."""
        hasher = blake2b(digest_size=16)
        for line in self.lines():
            hasher.update(line.encode() + b"\n")
        return hasher.hexdigest()


def _format_value(value: object) -> str:
    match value:
        case UUID():
            return f"order {value.int & 0xFFFF}"
        case bytes() if found := _UUID.search(value):  # a job
            return _format_value(UUID(found[0].decode()))
        case float():
            return f"{value:.4f}"
        case list() | tuple():
            return "[" + ", ".join(_format_value(each) for each in value) + "]"
        case _:
            return str(value)
