"""Calls that are made at one node after the other, or at several at once, until they are answered.

A call that fails at one node is made at the next one at once. One that takes longer than usual is
also made at the next one (a hedged request), and the first answer counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from time import monotonic
from typing import Final, Generic

from backend.chain.nodes.pool_node import Answer, PoolNode
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.errors import SendOutcomeUnknown
from backend.domain.errors import EngineError, Rejected, Unavailable

HEDGE_S: Final = (0.2, 0.5)
"""A call is made at another node as well after a multiple of the best latency, within these."""
_HEDGE_LATENCIES: Final = 4
WAIT_S_MAX: Final = 1.0
"""How long a call waits at most for the first of the nodes to take calls again."""

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

    They are enough, too, once no node is left. While all limit calls, it waits for the first of
    them for a short time. Raises the error that says most if none answers.
    """
    gives_up_at = monotonic() + WAIT_S_MAX
    while True:
        calls = _NodeCalls(nodes, call, count)
        await _make_calls(calls, is_enough, is_hedged=is_hedged)
        if calls.answers:
            return calls.answers
        error = choose_error(calls.errors)
        pause_s = get_pause(error)
        if monotonic() + pause_s > gives_up_at:
            raise error
        await asyncio.sleep(pause_s)


async def ask_first(
    nodes: Sequence[PoolNode],
    call: Callable[[RpcClient], Awaitable[Answer]],
    *,
    is_hedged: bool = True,
) -> tuple[PoolNode, Answer]:
    """Make a call at the first node that answers; see ``ask_nodes``. Several may answer at once."""
    answers = await ask_nodes(nodes, call, bool, count=1, is_hedged=is_hedged)
    return answers[0]


async def _make_calls(
    calls: _NodeCalls[Answer], is_enough: IsEnough[Answer], *, is_hedged: bool
) -> None:
    try:
        while calls.start():
            await calls.wait(is_hedged=is_hedged)
            if calls.answers and is_enough(calls.answers):
                break
    finally:
        calls.cancel()


class _NodeCalls(Generic[Answer]):
    """The same call at several nodes."""

    def __init__(
        self,
        nodes: Sequence[PoolNode],
        call: Callable[[RpcClient], Awaitable[Answer]],
        count: int,
    ) -> None:
        self._left = deque(nodes)
        best_s = min(node.latency_s for node in nodes)
        self._hedge_s = min(max(HEDGE_S[0], _HEDGE_LATENCIES * best_s), HEDGE_S[1])
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
        done, _ = await asyncio.wait(
            self._waiting,
            timeout=self._hedge_s if self._left and is_hedged else None,
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


def get_pause(error: EngineError) -> float:
    """After how long a node takes calls again, as far as its error says so; else infinite."""
    pause_s = error.retry_after_s if isinstance(error, Unavailable | SendOutcomeUnknown) else None
    return inf if pause_s is None else pause_s


def choose_error(errors: Sequence[EngineError]) -> EngineError:
    """The error of the node that can be asked again first; a refusal only if all refuse."""
    temporary = [each for each in errors if not isinstance(each, Rejected)]
    return min(temporary or errors, key=get_pause)
