"""The orders on their way to the chain: begun and not sent yet.

A worker can hold any number that wait for the chain, but works on these. Beyond some hundreds,
more of them at once make none faster: they only wait for each other, in memory instead of in the
queue, where another worker could take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Unsent:
    """Counts them; ``most`` is when no more should be begun."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._fewer = asyncio.Event()

    async def room(self) -> None:
        """Return when another one may begin."""
        while self._count >= self._most:
            self._fewer.clear()
            await self._fewer.wait()

    @contextmanager
    def one(self) -> Iterator[Callable[[], None]]:
        """Counts one while the block runs, or until what it is given is called."""
        is_counted = True
        self._count += 1

        def sent() -> None:
            nonlocal is_counted
            if is_counted:
                is_counted = False
                self._count -= 1
                self._fewer.set()

        try:
            yield sent
        finally:
            sent()
