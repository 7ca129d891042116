"""The health of several nodes: which of them are behind, on a fork, of another cluster, or away.

Every node is asked for its newest blockhash at an interval. One whose earlier blockhash two others
that have come as far do not know is on another fork. One that is many slots behind the others is
left out until it has caught up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar

from backend.chain.nodes.pool_node import Exclusion, PoolNode
from backend.chain.rpc.results import Blockhash
from backend.domain.errors import EngineError, Unavailable
from backend.runtime import observe_node

Result = TypeVar("Result")

PROBE_S_MAX: Final = 2.0
"""A node that takes longer to tell its blockhash counts as not reachable."""
_FORK_VOTES: Final = 2


class NodeMonitor:
    """Checks nodes every ``interval_s``; one more than ``lag_slots_max`` behind is left out."""

    def __init__(self, nodes: Sequence[PoolNode], *, interval_s: float, lag_slots_max: int) -> None:
        self._nodes = nodes
        self._interval_s = interval_s
        self._lag_slots_max = lag_slots_max
        self._blockhashes: dict[PoolNode, Blockhash] = {}
        self._shown: dict[PoolNode, Exclusion | None] = {}
        self._asked = asyncio.Event()

    def check_soon(self) -> None:
        """Check at once: nodes contradict each other."""
        self._asked.set()

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()
            await self.check()

    async def check(self) -> None:
        """Ask every node once, and decide which are left out."""
        probed = [node for node in self._nodes if node.breaker.may_probe]
        found = await _run_all(map(self._probe, probed))
        newest = {node: each for node, each in zip(probed, found, strict=True) if each is not None}
        forked = await self._find_forked(newest)
        for node, each in newest.items():
            node.slot = each.slot
        self._blockhashes = newest
        foreign = self._find_foreign()
        reference = self._find_reference([n for n in newest if n not in forked | foreign])
        for node in newest:
            node.exclusion = self._judge(node, forked, foreign, reference)
        self._show()

    async def _probe(self, node: PoolNode) -> Blockhash | None:
        try:
            async with asyncio.timeout(PROBE_S_MAX):
                if node.genesis is None:
                    node.genesis = await node.call(lambda client: client.get_genesis_hash())
                return await node.call(lambda client: client.get_latest_blockhash())
        except EngineError:
            return None
        except TimeoutError:
            node.record_error(Unavailable("node_timeout", "no blockhash in time"))
            return None

    async def _find_forked(self, reached: dict[PoolNode, Blockhash]) -> set[PoolNode]:
        """The nodes whose earlier blockhash is valid there, and known to no two others."""
        if len(reached) <= _FORK_VOTES:
            return set()  # nobody says which of two is right
        checked = [(node, self._blockhashes[node]) for node in reached if node in self._blockhashes]
        votes = await _run_all(self._count_votes(node, each, reached) for node, each in checked)
        forked = {node for (node, _), each in zip(checked, votes, strict=True) if each}
        return forked if len(forked) < len(reached) else set()

    async def _count_votes(
        self, node: PoolNode, blockhash: Blockhash, reached: dict[PoolNode, Blockhash]
    ) -> bool:
        """Whether at least two other nodes do not know a blockhash, and none knows it."""
        others = [other for other in reached if other is not node]
        own, *known = await _run_all(knows_blockhash(each, blockhash) for each in [node, *others])
        return own is True and True not in known and known.count(False) >= _FORK_VOTES

    def _find_foreign(self) -> set[PoolNode]:
        """The nodes that are not of the cluster that most are of, or the first one."""
        known = [node for node in self._nodes if node.genesis is not None]
        counts = Counter(node.genesis for node in known)
        if len(counts) <= 1:
            return set()
        most = max(counts.values())
        cluster = next(node.genesis for node in known if counts[node.genesis] == most)
        return {node for node in known if node.genesis != cluster}

    def _find_reference(self, nodes: Sequence[PoolNode]) -> int:
        """The slot that a node has to be near: of three, one that is alone ahead sets none."""
        slots = sorted((node.slot for node in nodes), reverse=True)
        if not slots:
            return 0
        return slots[1] if len(slots) > _FORK_VOTES else slots[0]

    def _judge(
        self, node: PoolNode, forked: set[PoolNode], foreign: set[PoolNode], reference: int
    ) -> Exclusion | None:
        if node in foreign:
            return Exclusion.FOREIGN
        if node in forked:
            return Exclusion.FORKED
        return Exclusion.BEHIND if reference - node.slot > self._lag_slots_max else None

    def _show(self) -> None:
        """Tell of the nodes that are left out, or used again, since the last check."""
        for node in self._nodes:
            reason, shown = node.reason, self._shown.get(node)
            observe_node.node_checked(node.name, node.slot, is_used=reason is None)
            if reason is shown:
                continue
            self._shown[node] = reason
            if reason is None:
                observe_node.node_used_again(node.name)
            else:
                observe_node.node_left_out(node.name, reason, node.slot)


async def knows_blockhash(node: PoolNode, blockhash: Blockhash) -> bool | None:
    """Whether a node knows a blockhash; ``None`` if it has not come as far, or does not say."""
    try:
        return await node.call(
            lambda client: client.is_blockhash_valid(
                blockhash.hash, min_context_slot=blockhash.slot
            )
        )
    except EngineError:
        return None


async def _run_all(calls: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(call) for call in calls]
    return [task.result() for task in started]
