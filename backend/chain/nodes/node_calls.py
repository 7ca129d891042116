"""Calls that are made at one node after the other, or at several at once, until they are answered.

A call that fails at one node is made at the next one at once. One that takes longer than usual is
also made at the next one (a hedged request), and the first answer counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

from backend.chain.nodes.pool_node import Answer, PoolNode
from backend.chain.rpc.client import RpcClient
from backend.domain.errors import EngineError, Rejected, Unavailable

IsEnough = Callable[[Sequence[tuple[PoolNode, Answer]]], bool]


async def ask_nodes(
    nodes: Sequence[PoolNode],
    call: Callable[[RpcClient], Awaitable[Answer]],
    is_enough: IsEnough[Answer],
    *,
    count: int,
    is_hedged: bool = True,
) -> list[tuple[PoolNode, Answer]]:
    """Make a call at the first ``count`` nodes, and at others until the answers are enough.

    They are enough, too, once no node is left. Raises the error that says most if none answers.
    """
    calls = _NodeCalls(nodes, call, count)
    try:
        while calls.start():
            await calls.wait(is_hedged=is_hedged)
            if calls.answers and is_enough(calls.answers):
                break
    finally:
        calls.cancel()
    if not calls.answers:
        raise _choose_error(calls.errors)
    return calls.answers


class _NodeCalls(Generic[Answer]):
    """The same call at several nodes."""

    def __init__(
        self,
        nodes: Sequence[PoolNode],
        call: Callable[[RpcClient], Awaitable[Answer]],
        count: int,
    ) -> None:
        self._left = deque(nodes)
        self._call = call
        self._count = count
        self._waiting: dict[asyncio.Task[Answer], PoolNode] = {}
        self.answers: list[tuple[PoolNode, Answer]] = []
        self.errors: list[EngineError] = []

    def start(self) -> bool:
        """Make the calls that are due, one at least; returns whether one is being made."""
        if not self._waiting:
            self._count = max(self._count, len(self.answers) + 1)
        while self._left and len(self._waiting) + len(self.answers) < self._count:
            node = self._left.popleft()
            call = node.call(self._call)
            self._waiting[asyncio.create_task(call)] = node  # noqa: TID251 - see ``cancel``
        return bool(self._waiting)

    async def wait(self, *, is_hedged: bool) -> None:
        """Wait for the next end of a call, or until another node is to be asked as well."""
        hedge_s = max(node.hedge_s for node in self._waiting.values())
        done, _ = await asyncio.wait(
            self._waiting,
            timeout=hedge_s if self._left and is_hedged else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._count += not done
        for task in done:
            node = self._waiting.pop(task)
            try:
                self.answers.append((node, task.result()))
            except EngineError as error:
                self.errors.append(error)

    def cancel(self) -> None:
        """Cancel the calls whose answers are not needed."""
        for task in self._waiting:
            task.cancel()


def _choose_error(errors: Sequence[EngineError]) -> EngineError:
    """The error of the node that can be asked again first; a refusal only if all refuse."""
    temporary = [each for each in errors if not isinstance(each, Rejected)]
    if not temporary:
        return errors[0]
    return min(temporary, key=_get_pause)


def _get_pause(error: EngineError) -> float:
    return (error.retry_after_s or 0.0) if isinstance(error, Unavailable) else 0.0
