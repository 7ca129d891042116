"""Sends the same transactions to several nodes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf
from time import monotonic

from backend.chain.nodes.node_calls import WAIT_S_MAX, choose_error, get_pause
from backend.chain.nodes.pool_node import PoolNode
from backend.domain.errors import EngineError

SendResults = Sequence[str | EngineError]


class SendFanout:
    """Sends to all nodes; those that take longer than the first go on in the background."""

    def __init__(self) -> None:
        self._sends: set[asyncio.Task[SendResults]] = set()

    async def send(
        self, nodes: Sequence[PoolNode], wires: Sequence[bytes]
    ) -> list[str | EngineError]:
        """Send to all; returns once each transaction was taken by one, or all have answered.

        A transaction is ``Rejected`` only if every node says that it can never land. While all
        limit calls, it waits for the first of them for a short time.
        """
        gives_up_at = monotonic() + WAIT_S_MAX
        results = await self._send_once(nodes, wires)
        while limited := [n for n, each in enumerate(results) if _get_pause(each) < inf]:
            pause_s = min(_get_pause(results[n]) for n in limited)
            if monotonic() + pause_s > gives_up_at:
                break
            await asyncio.sleep(pause_s)
            sent = await self._send_once(nodes, [wires[n] for n in limited])
            for n, each in zip(limited, sent, strict=True):
                results[n] = each
        return results

    async def _send_once(
        self, nodes: Sequence[PoolNode], wires: Sequence[bytes]
    ) -> list[str | EngineError]:
        sends = set[asyncio.Task[SendResults]]()
        for node in nodes:
            sending = asyncio.create_task(_send(node, wires))  # noqa: TID251 - see ``close``
            sending.add_done_callback(self._sends.discard)
            sends.add(sending)
        self._sends |= sends
        waiting, results = sends, list[SendResults]()
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            results += [task.result() for task in done]
            if all(any(isinstance(r, str) for r in each) for each in zip(*results, strict=True)):
                break
        return list(map(_choose_result, zip(*results, strict=True)))

    async def close(self) -> None:
        """Cancel what is still being sent."""
        sends = list(self._sends)
        for each in sends:
            each.cancel()
        if sends:
            await asyncio.wait(sends)


async def _send(node: PoolNode, wires: Sequence[bytes]) -> SendResults:
    results = await node.client.send_transactions(wires)
    errors = [each for each in results if isinstance(each, EngineError)]
    if len(errors) < len(results):
        node.breaker.record_success()
    elif errors:
        node.record_error(errors[0])
    return results


def _choose_result(results: Sequence[str | EngineError]) -> str | EngineError:
    errors = [each for each in results if isinstance(each, EngineError)]
    if len(errors) < len(results):
        return next(each for each in results if isinstance(each, str))
    return choose_error(errors)


def _get_pause(result: str | EngineError) -> float:
    """After how long a transaction may be sent again, which no node has taken; else infinite."""
    return inf if isinstance(result, str) else get_pause(result)
