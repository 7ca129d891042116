"""The node of the modelled chain, as one simulated process reaches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from backend.chain.rpc.errors import HISTORY_UNAVAILABLE, ReadFailure, to_send_failure
from backend.chain.rpc.results import (
    Blockhash,
    ChainTip,
    LandedTransaction,
    SignatureStatuses,
    SimulationResult,
    TokenBalance,
)
from backend.chain.wallet import create_paper_wallet
from backend.chain.wire import Commitment
from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.tokens import JUP, USDC
from tests.simulation.model.chain import ChainModel, Landing
from tests.simulation.model.network import NetworkFaults, NetworkPath, Response

NETWORK_FEE = 5_000
TIMEOUT_MAX_S = 2.0
WALLET = create_paper_wallet()
_TOKENS = JUP, USDC
"""Whichever of them an order buys, it has received."""


@dataclass(slots=True)
class NodeFaults:
    """How often the node is busy or stale.

    A stale request is served by another node behind the same address, which has seen no block since
    ``stale_since``.
    """

    busy_chance: float = 0.0
    stale_chance: float = 0.0
    stale_since: float = 0.0
    has_no_history: bool = False


class NodeModel:
    """One process's RPC client of the chain: the methods of ``RpcClient`` that execution uses."""

    def __init__(
        self,
        chain: ChainModel,
        network: NetworkFaults,
        node_faults: NodeFaults,
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self.path = NetworkPath(network, random, _make_timeout, timeout_max_s=TIMEOUT_MAX_S)
        self._chain = chain
        self._node_faults = node_faults
        self._random = random
        self._now = now

    @property
    def has_quorum(self) -> bool:
        return False

    async def get_latest_blockhash(self) -> Blockhash:
        return await self._request(lambda: self._chain.latest_blockhash(self._now()))

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        def read_tip(now: float) -> ChainTip:
            height = self._chain.height(now, commitment)
            return ChainTip(height, height)

        return await self._request(lambda: read_tip(self._view_time()))

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0
    ) -> SimulationResult:
        err = (
            "BlockhashNotFound"
            if self._random.random() < self._chain.faults.revert_chance
            else None
        )

        def simulate() -> SimulationResult:
            if wire[1:65] != bytes(64):  # signed: this node executes whatever it can
                self._chain.send(self._now(), wire)
            slot = self._chain.height(self._view_time())
            if slot < min_context_slot:
                raise ReadFailure("node_behind", "the node has not reached the slot")
            return SimulationResult(err, (), 60_000, slot)

        return await self._request(simulate)

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        def read_statuses() -> SignatureStatuses:
            now = self._view_time()
            found = [
                self._chain.signature_status(now, each, search=search_history)
                for each in signatures
            ]
            return SignatureStatuses(self._chain.height(now), found)

        return await self._request(read_statuses)

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        def read_landed() -> list[LandedTransaction | EngineError | None]:
            if self._node_faults.has_no_history:
                raise ReadFailure(HISTORY_UNAVAILABLE, "the node has no history")
            return [self._read_landed(each) for each in signatures]

        try:
            return await self._request(read_landed)
        except ReadFailure as failure:
            return [failure] * len(signatures)

    async def send_transactions(self, wires: Sequence[bytes]) -> list[str | EngineError]:
        def accept() -> list[str | EngineError]:
            return [self._chain.send(self._now(), wire).signature for wire in wires]

        try:
            return await self._request(accept)
        except ReadFailure as failure:
            return [to_send_failure(failure)] * len(wires)

    def _view_time(self) -> float:
        """Return the time up to which the node that serves this request has seen the chain."""
        is_stale = self._random.random() < self._node_faults.stale_chance
        return self._node_faults.stale_since if is_stale else self._now()

    async def _request(self, serve: Callable[[], Response]) -> Response:
        def serve_or_reject() -> Response:
            if self._random.random() < self._node_faults.busy_chance:
                raise ReadFailure("rate_limited", "the node responds 429")
            return serve()

        return await self.path.request(serve_or_reject)

    def _read_landed(self, signature: str) -> LandedTransaction | None:
        landing = self._chain.find_landing(self._now(), signature, search=True)
        if landing is None:
            return None
        if self._chain.commitment_of(self._now(), landing) is Commitment.PROCESSED:
            return None
        return to_landed_transaction(landing)


def _make_timeout() -> ReadFailure:
    return ReadFailure("node_timeout", "no response")


def to_landed_transaction(landing: Landing) -> LandedTransaction:
    """A transaction in a block as ``getTransaction`` returns it."""
    received = landing.amount_out if landing.err is None else 0
    return LandedTransaction(
        slot=landing.height,
        err=landing.err,
        fee_lamports=NETWORK_FEE,
        logs=(),
        units=None,
        lamports_before=(),
        lamports_after=(),
        tokens_before={n: _token_balance(token, 7) for n, token in enumerate(_TOKENS)},
        tokens_after={n: _token_balance(token, 7 + received) for n, token in enumerate(_TOKENS)},
        wire=landing.transaction.wire,
    )


def _token_balance(token: Token, amount: int) -> TokenBalance:
    return TokenBalance(token.mint, str(WALLET.address), amount)
