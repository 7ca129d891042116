"""Reads the accounts of several venues in one request, without letting one venue cost the others.

The venues of an order are read in the same turn of the event loop, so their accounts go to the node
together. When such a request fails, or has no answer within ``patience_s``, each venue asks for its
own accounts alone, and so do all for ``APART_S``: what is wrong with one venue's accounts costs
only that venue's quote, and no more than one request in a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.routing.pool_reader import KEYS_MAX, AccountReader
from backend.runtime import observe_node
from backend.runtime.background import shield
from backend.venues.venue import Account

APART_S: Final = 5.0

_Accounts = tuple[int, list[Account | None]]


class _JointRead:
    """A request that is about to start, or runs."""

    def __init__(self) -> None:
        self.keys: dict[Pubkey, None] = {}
        self.callers = 0
        self.response: asyncio.Future[_Accounts] | None = None


class JointReader:
    """An account reader that sends the reads of one turn of the event loop as one request."""

    def __init__(self, node: AccountReader, *, patience_s: float) -> None:
        self._node = node
        self._patience_s = patience_s
        self._next: _JointRead | None = None
        self._apart_until = float("-inf")

    async def get_multiple_accounts(self, keys: Sequence[Pubkey]) -> _Accounts:
        """The slot, and the accounts of at most 100 keys as of that slot.

        Raises what the node's reader raises for these keys alone.
        """
        if asyncio.get_running_loop().time() < self._apart_until:
            return await self._node.get_multiple_accounts(keys)
        read = self._join(keys)
        try:
            slot, accounts = await self._await_response(read)
        except (EngineError, TimeoutError) as error:
            if read.callers == 1 or _is_of_node(error):
                raise
            self._part()
            return await self._node.get_multiple_accounts(keys)
        found = dict(zip(read.keys, accounts, strict=True))
        return slot, [found[key] for key in keys]

    def _join(self, keys: Sequence[Pubkey]) -> _JointRead:
        read = self._next
        if read is None or len(read.keys | dict.fromkeys(keys)) > KEYS_MAX:
            read = self._next = _JointRead()
            read.response = shield(self._send(read))
        read.keys.update(dict.fromkeys(keys))
        read.callers += 1
        return read

    async def _send(self, read: _JointRead) -> _Accounts:
        await asyncio.sleep(0)  # the other venues' readers get their turn
        if self._next is read:
            self._next = None
        return await self._node.get_multiple_accounts(list(read.keys))

    async def _await_response(self, read: _JointRead) -> _Accounts:
        assert read.response is not None
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.shield(read.response)
        except TimeoutError:
            if read.callers > 1:
                raise
        return await asyncio.shield(read.response)

    def _part(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._apart_until:
            self._apart_until = now + APART_S
            observe_node.joint_read_failed()


def _is_of_node(error: Exception) -> bool:
    """Whether it would fail for any accounts, and further requests would only make it worse."""
    return isinstance(error, EngineError) and error.code == "rate_limited"
