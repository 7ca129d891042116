"""A Solana node as the engine uses it: one, or several as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from solders.pubkey import Pubkey

from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.results import Json, SimulationResult
from backend.chain.wire import Commitment
from backend.venues.venue import Account

Value = TypeVar("Value")


class SolanaNode(NodeClient, Protocol):
    """The calls of ``RpcClient``, which documents each of them."""

    async def get_genesis_hash(self) -> str:
        """Identify the chain."""
        ...

    def list_left_out(self) -> list[str]:
        """The nodes that are not used now, each with the reason."""
        ...

    async def simulate_transaction(
        self, wire: bytes, *, min_context_slot: int = 0, accounts: Sequence[Pubkey] = ()
    ) -> SimulationResult:
        """Simulate a transaction; the result has ``accounts`` as it leaves them."""
        ...

    async def get_balance(self, owner: Pubkey) -> int:
        """The lamports of an account."""
        ...

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey], commitment: Commitment = Commitment.CONFIRMED
    ) -> tuple[int, list[Account | None]]:
        """The slot, and the accounts of at most 100 keys as of that slot."""
        ...

    async def are_executable(self, keys: Sequence[Pubkey]) -> list[bool | None]:
        """Whether accounts are programs."""
        ...

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Json]
    ) -> tuple[int, dict[Pubkey, Account]]:
        """The slot, and the accounts of a program that pass all filters."""
        ...

    async def walk_histories(self, walk: Callable[[RpcClient], Awaitable[Value]]) -> list[Value]:
        """What a walk through the history finds, once for each node that is asked."""
        ...

    async def get_recent_prioritization_fees(self, keys: Sequence[Pubkey]) -> list[int]:
        """What blocks charged for a compute unit to lock accounts."""
        ...
