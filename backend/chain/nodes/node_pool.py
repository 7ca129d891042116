"""Several nodes as one, with the calls of ``RpcClient``.

Reads go to the best node by latency and slot, and to the next one if it fails or takes too long.
Sends go to all. What decides about an order, that a transaction has landed or never will, takes two
nodes that agree: see ``evidence``. A blockhash is signed with once a second node knows it, so no
order spends an attempt on a fork. The end of a blockhash counts once two nodes have finalized it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from operator import itemgetter
from typing import Final, Self

from solders.pubkey import Pubkey

from backend.chain.nodes.evidence import QUORUM, join_statuses, judge_transaction
from backend.chain.nodes.node_calls import ask_first, ask_nodes
from backend.chain.nodes.node_monitor import NodeMonitor
from backend.chain.nodes.pool_node import Answer, Exclusion, PoolNode
from backend.chain.nodes.send_fanout import SendFanout
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.results import (
    Blockhash,
    ChainTip,
    Json,
    LandedTransaction,
    SignatureStatuses,
    SimulationResult,
)
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError, Unavailable
from backend.runtime import observe_node
from backend.runtime.background import run_in_background
from backend.venues.venue import Account

SLOT_S: Final = 0.02
"""How much slower a node may be that is one slot ahead, to be preferred."""
_UNUSABLE: Final = frozenset({Exclusion.FORKED, Exclusion.FOREIGN})
"""What such a node says is wrong, not only old."""
_BLOCKHASH_TRIES: Final = 3


class NodePool:
    """Several nodes as one; ``run`` must be running, which opens their clients.

    ``senders`` are nodes that transactions are sent to besides, and that nothing is asked of.
    """

    def __init__(
        self,
        nodes: Sequence[PoolNode],
        senders: Sequence[PoolNode] = (),
        *,
        check_s: float,
        lag_slots_max: int,
    ) -> None:
        assert nodes
        self._nodes = nodes
        self._senders = senders
        self._monitor = NodeMonitor(nodes, interval_s=check_s, lag_slots_max=lag_slots_max)
        self._fanout = SendFanout()
        self._landed_slot = 0
        """The newest slot in which a transaction is known to have landed."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Self]:
        """Open the clients and check the nodes, for the duration of the block."""
        async with AsyncExitStack() as stack:
            for node in [*self._nodes, *self._senders]:
                await stack.enter_async_context(node.client)
            if len(self._nodes) > 1:
                await self._monitor.check()
                await stack.enter_async_context(run_in_background(self._monitor.run))
            stack.push_async_callback(self._fanout.close)
            yield self

    @property
    def has_quorum(self) -> bool:
        """Whether two nodes have to agree on what decides about an order."""
        return len(self._nodes) > 1

    def list_left_out(self) -> list[str]:
        """The nodes that are left out now, each with the reason."""
        return [f"{each.name}: {each.reason}" for each in self._nodes if each.reason is not None]

    async def get_genesis_hash(self) -> str:
        """Identify the chain. Raises ``Transient`` or ``Rejected``, as every read does."""
        return await self._read(lambda client: client.get_genesis_hash())

    async def get_latest_blockhash(self) -> Blockhash:
        """The blockhash to sign with: one that a second node knows, if another can be asked."""
        tried: set[PoolNode] = set()
        for _ in range(_BLOCKHASH_TRIES):
            nodes = [node for node in self._rank() if node not in tried] or self._rank()
            node, blockhash = await ask_first(nodes, lambda client: client.get_latest_blockhash())
            others = [each for each in nodes if each is not node]
            if not others or await self._is_known(blockhash, by=others):
                return blockhash
            tried.add(node)
        observe_node.nodes_disagree("blockhash")
        raise Unavailable("nodes_disagree", "the nodes do not know each other's blockhashes")

    async def _is_known(self, blockhash: Blockhash, by: Sequence[PoolNode]) -> bool:
        """Whether another node knows a blockhash; also if none that has come as far says so."""
        try:
            _, is_known = await ask_first(
                by,
                lambda client: client.is_blockhash_valid(
                    blockhash.hash, min_context_slot=blockhash.slot
                ),
            )
        except EngineError:
            return True
        if not is_known:
            self._monitor.check_soon()
        return is_known

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        """The chain tip that two nodes have reached: the lower one of theirs."""
        tips = await self._ask_quorum(
            lambda client: client.get_epoch_info(commitment), lambda _: True
        )
        return min((tip for _, tip in tips), key=lambda tip: tip.height)

    async def get_balance(self, owner: Pubkey) -> int:
        """The lamports of an account."""
        return await self._read(lambda client: client.get_balance(owner))

    async def are_executable(self, keys: Sequence[Pubkey]) -> list[bool | None]:
        """Whether accounts are programs; ``None`` where there is no account."""
        return await self._read(lambda client: client.are_executable(keys))

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey], commitment: Commitment = Commitment.CONFIRMED
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as of that slot.

        Not from before a transaction that is known to have landed, if any node has come as far:
        balances have to show it.
        """
        answers = await ask_nodes(
            self._rank(),
            lambda client: client.get_multiple_accounts(keys, commitment),
            lambda answers: answers[-1][1][0] >= self._landed_slot,
            count=1,
        )
        return max((answer for _, answer in answers), key=itemgetter(0))

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Json]
    ) -> tuple[int, dict[Pubkey, Account]]:
        """The slot, and the accounts of a program that pass all filters, by address.

        Raises ``Rejected`` (node_refused) if no node lists what programs own.
        """
        return await self._read(
            lambda client: client.get_program_accounts(program, filters), is_hedged=False
        )

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0, accounts: Sequence[Pubkey] = ()
    ) -> SimulationResult:
        """Simulate a transaction on a node that has reached ``min_context_slot``.

        That it fails has to be told by a second node, if there is one: an order ends by it.
        """
        answers = await ask_nodes(
            self._rank(),
            lambda client: client.simulate_transaction(
                wire, min_context_slot=min_context_slot, accounts=accounts
            ),
            lambda answers: answers[-1][1].err is None or len(answers) >= QUORUM,
            count=1,
        )
        results = [result for _, result in answers]
        return next((each for each in results if each.err is None), results[0])

    async def get_recent_prioritization_fees(self, keys: Sequence[Pubkey]) -> list[int]:
        """What blocks charged for a compute unit to lock accounts, the newest block last."""
        return await self._read(lambda client: client.get_recent_prioritization_fees(keys))

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        """The status of each signature that nodes agree on, as of the oldest of their slots.

        One that they contradict each other about has a status that shows no outcome.
        """
        answers = await self._ask_quorum(
            lambda client: client.get_signature_statuses(signatures, search_history=search_history),
            lambda statuses: join_statuses(statuses)[1],
        )
        joined, is_decided = join_statuses([statuses for _, statuses in answers])
        for status in joined.entries:
            if status is not None and status.commitment is not Commitment.PROCESSED:
                self._landed_slot = max(self._landed_slot, status.slot)
        if not is_decided:
            self._monitor.check_soon()
            if search_history:
                observe_node.nodes_disagree("signature")
        return joined

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        """Each landed transaction as two nodes have it: ``None`` if not, or the error for it."""
        try:
            answers = await self._ask_quorum(
                partial(_fetch_transactions, signatures=signatures),
                lambda lists: all(
                    judge_transaction(entries, is_last=False).is_decided
                    for entries in zip(*lists, strict=True)
                ),
            )
        except EngineError as error:
            return [error] * len(signatures)
        _count_misses(answers)
        told = [each for node, each in answers if node.keeps_history] or [answers[0][1]]
        joined = [
            judge_transaction(entries, is_last=True).answer for entries in zip(*told, strict=True)
        ]
        landed = (each.slot for each in joined if isinstance(each, LandedTransaction))
        self._landed_slot = max(self._landed_slot, *landed, 0)
        return joined

    async def walk_histories(self, walk: Callable[[RpcClient], Awaitable[Answer]]) -> list[Answer]:
        """What a walk through the history finds, of two nodes if as many can be asked."""
        return [answer for _, answer in await self._ask_quorum(walk, lambda _: True)]

    async def send_transactions(self, wires: Sequence[bytes]) -> list[str | EngineError]:
        """Send signed transactions to all nodes; the best result of each, once it is known."""
        nodes = [node for node in self._nodes if node.exclusion is not Exclusion.FOREIGN]
        targets = [node for node in [*nodes, *self._senders] if node.breaker.may_probe]
        return await self._fanout.send(targets or nodes, wires)

    async def _read(
        self, call: Callable[[RpcClient], Awaitable[Answer]], *, is_hedged: bool = True
    ) -> Answer:
        _, answer = await ask_first(self._rank(), call, is_hedged=is_hedged)
        return answer

    async def _ask_quorum(
        self,
        call: Callable[[RpcClient], Awaitable[Answer]],
        is_decided: Callable[[Sequence[Answer]], bool],
    ) -> list[tuple[PoolNode, Answer]]:
        """The answers of two nodes, or of more until they decide it."""

        def is_enough(answers: Sequence[tuple[PoolNode, Answer]]) -> bool:
            return len(answers) >= QUORUM and is_decided([answer for _, answer in answers])

        usable = [node for node in self._nodes if node.reason is None]
        nodes = sorted(usable, key=_score) or self._rank()
        return await ask_nodes(nodes, call, is_enough, count=QUORUM)

    def _rank(self) -> list[PoolNode]:
        """The nodes that may be read, the best first; those that are left out are the last."""
        nodes = [node for node in self._nodes if node.exclusion not in _UNUSABLE]
        return sorted(
            nodes or self._nodes, key=lambda node: (node.reason is not None, _score(node))
        )


def _score(node: PoolNode) -> tuple[bool, float]:
    """By what nodes are ranked: those that answer in time, by latency and slot."""
    return node.is_slow, node.latency_s - SLOT_S * node.slot


async def _fetch_transactions(
    client: RpcClient, *, signatures: Sequence[str]
) -> list[LandedTransaction | EngineError | None]:
    """The transactions of one node. Raises the first error if all are errors."""
    answers = await client.get_transactions(signatures)
    if answers and all(isinstance(each, EngineError) for each in answers):
        raise next(each for each in answers if isinstance(each, EngineError))
    return answers


def _count_misses(
    answers: Sequence[tuple[PoolNode, Sequence[LandedTransaction | EngineError | None]]],
) -> None:
    """Take note of the nodes that lack what another one has."""
    for index in range(len(answers[0][1])):
        entries = [(node, each[index]) for node, each in answers]
        if not any(isinstance(entry, LandedTransaction) for _, entry in entries):
            continue
        for node, entry in entries:
            node.misses = node.misses + 1 if entry is None else 0
