"""A Solana node as the engine uses it: one, or several as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from solders.pubkey import Pubkey

from backend.chain.rpc.results import (
    Blockhash,
    ChainTip,
    Json,
    LandedTransaction,
    SignatureStatuses,
    SimulationResult,
)
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.venues.venue import Account


class SolanaNode(Protocol):
    """The calls of ``RpcClient``, which documents each of them."""

    async def get_genesis_hash(self) -> str:
        """Identify the chain."""
        ...

    async def get_latest_blockhash(
        self, commitment: Commitment = Commitment.CONFIRMED
    ) -> Blockhash:
        """The blockhash to sign with."""
        ...

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        """The current slot and block height at a commitment."""
        ...

    async def get_balance(self, owner: Pubkey) -> int:
        """The lamports of an account."""
        ...

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey], commitment: Commitment = Commitment.CONFIRMED
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as of that slot."""
        ...

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Json]
    ) -> tuple[int, dict[Pubkey, Account]]:
        """The slot, and the accounts of a program that pass all filters."""
        ...

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0
    ) -> SimulationResult:
        """Simulate a transaction."""
        ...

    async def get_recent_prioritization_fees(self, keys: Sequence[Pubkey]) -> list[int]:
        """What blocks charged for a compute unit to lock accounts."""
        ...

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        """The status of each signature."""
        ...

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        """Each landed transaction, ``None``, or the error for it."""
        ...

    async def send_transactions(
        self, wires: Sequence[bytes], *, skip_preflight: bool = True
    ) -> list[str | EngineError]:
        """Send signed transactions."""
        ...
