"""The node that transactions are submitted to, as a protocol: the simulation implements it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.chain.rpc.results import (
    Blockhash,
    ChainTip,
    LandedTransaction,
    SignatureStatuses,
    SimulationResult,
)
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError


class NodeClient(Protocol):
    """The part of a node's JSON-RPC that submission needs; see ``RpcClient`` for each method."""

    @property
    def has_quorum(self) -> bool:
        """Whether two nodes have to agree on what decides about an order."""
        ...

    async def get_latest_blockhash(self) -> Blockhash:
        """The blockhash to sign with."""
        ...

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        """The current slot and block height at a commitment."""
        ...

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0
    ) -> SimulationResult:
        """Simulate an unsigned transaction on a node that has reached a slot."""
        ...

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        """The status of each signature."""
        ...

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        """Each landed transaction, or ``None`` for one that the node does not have."""
        ...

    async def send_transactions(self, wires: Sequence[bytes]) -> list[str | EngineError]:
        """Send signed transactions."""
        ...
