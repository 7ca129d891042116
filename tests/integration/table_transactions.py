"""Transactions of several swaps that name accounts in lookup tables, for tests of a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.lookup_tables import LookupTables
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.domain.amounts import Token
from backend.domain.errors import Rejected
from backend.domain.orders import SignedTransaction
from backend.simulator.chain.chain import Chain
from backend.simulator.wire.lookup_tables import NODE_TABLE
from backend.venues import MAINNET_VENUES
from backend.venues.venue import Account, Pool
from tests.integration.simulator_client import (
    SimulatorClient,
    mint_address,
    open_simulator,
)
from tests.integration.test_simulator_many_pools import MANY, NOW, list_pools, read_pool

TABLE = Pubkey(bytes([77] * 32))
FAR_SLOT = 100_000
OTHER_PROGRAM = Pubkey(bytes([79] * 32))
KEYS = tuple(Pubkey(bytes([78] * 31 + [number])) for number in range(5))


async def read_pools(node: SimulatorClient, pair: tuple[Token, Token], amount: int) -> list[Pool]:
    """The pools of a pair that trade, each with what a quote of an amount needs."""
    pools = []
    for venue in MAINNET_VENUES.hosted:
        for address in await list_pools(node, venue, *pair):
            try:
                pools.append(await read_pool(node, venue, address, mint_address(pair[0]), amount))
            except Rejected:
                continue
    return pools


async def open_tables(node: SimulatorClient, *addresses: Pubkey) -> LookupTables:
    tables = LookupTables(node.rpc, addresses or [NODE_TABLE])
    assert await tables.refresh()
    return tables


async def store_accounts(data_dir: Path, accounts: Mapping[Pubkey, Account]) -> None:
    """Let the chain of a node that is about to start have these accounts."""
    async with open_simulator(data_dir, MANY):
        pass  # the chain begins now
    chain = Chain(MANY, data_dir / "chain", lambda: NOW)
    chain.override_accounts(accounts)
    chain.close()


async def sign_route(
    node: SimulatorClient,
    pools: Sequence[Pool],
    pair: tuple[Token, Token],
    amount: int,
    tables: Sequence[AddressLookupTableAccount],
) -> tuple[SignedTransaction, int]:
    """A transaction that swaps an amount in each pool; and what they pay together."""
    mint_in, mint_out = map(mint_address, pair)
    quotes = [pool.quote(mint_in, amount) for pool in pools]
    legs = [SwapLeg(p, amount, q.amount_out) for p, q in zip(pools, quotes, strict=True)]
    node.built_count += 1
    swap = SwapParameters(legs, mint_in, mint_out, derive_wrap_seed(UUID(int=node.built_count), 1))
    recent = await node.rpc.get_latest_blockhash()
    unsigned = build_swap(swap, node.wallet.address, recent, ComputeBudget(), tables)
    return unsigned.sign(node.wallet), sum(quote.amount_out for quote in quotes)


async def choose_programs(
    node: SimulatorClient, pair: tuple[Token, Token], amount: int, *names: str
) -> list[Pool]:
    """The default pool of each of some programs."""
    mints = [mint_address(token) for token in pair]
    pools = []
    for venue in MAINNET_VENUES.hosted:
        if venue.name in names:
            address = venue.derive_pool_address(*mints)
            pools.append(await read_pool(node, venue, address, mints[0], amount))
    return pools
