"""What happened, in order, with virtual times: a schedule that can be read and compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from uuid import UUID

_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Trace:
    """Takes note of what happens; ``now`` tells the virtual time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._entries: list[tuple[float, str, tuple[object, ...]]] = []

    def note(self, who: str, *what: object) -> None:
        """Something happened. Words are made of it only when somebody wants to read them."""
        self._entries.append((self.now(), who, what))

    def lines(self) -> Iterator[str]:
        """One line for each thing."""
        for at, who, what in self._entries:
            yield f"{at:10.4f}  {who:<10} {' '.join(_word(each) for each in what)}"

    def digest(self) -> str:
        """Equal if and only if the same happened at the same times."""
        whole = blake2b(digest_size=16)
        for line in self.lines():
            whole.update(line.encode() + b"\n")
        return whole.hexdigest()


def _word(value: object) -> str:
    match value:
        case UUID():
            return f"order {value.int & 0xFFFF}"
        case bytes() if found := _UUID.search(value):  # a job
            return _word(UUID(found[0].decode()))
        case float():
            return f"{value:.4f}"
        case list() | tuple():
            return "[" + ", ".join(_word(each) for each in value) + "]"
        case _:
            return str(value)
