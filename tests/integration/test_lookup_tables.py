"""Transactions that name accounts in lookup tables, on a simulated node that hosts tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from structlog.testing import capture_logs

from backend.chain.lookup_tables import LookupTables
from backend.chain.messages import WIRE_BYTES_MAX
from backend.chain.outcomes import read_fill
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.results import LandedTransaction
from backend.chain.transactions import (
    ComputeBudget,
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.domain.amounts import U64_MAX, Token
from backend.domain.errors import EngineError, Rejected
from backend.domain.orders import OrderTerms, OrderType, SignedTransaction
from backend.domain.tokens import JUP, SOL, USDC, USDT
from backend.routing.splitter import Splitter
from backend.simulator.chain.chain import Chain
from backend.simulator.wire.lookup_tables import NODE_TABLE
from backend.venues import HOSTED_VENUES
from backend.venues.lookup_table import LOOKUP_TABLE_PROGRAM, LookupTable, decode_lookup_table
from backend.venues.spl import MEMO_PROGRAM, TOKEN_ACCOUNT, make_account
from backend.venues.venue import Account, Pool
from tests.integration.simulator_client import SimulatorClient, mint_address, open_simulator
from tests.integration.test_simulator_many_pools import MANY, NOW, list_pools, read_pool
from tests.scenario import run_node

TABLE = Pubkey(bytes([77] * 32))
FAR_SLOT = 100_000
OTHER_PROGRAM = Pubkey(bytes([79] * 32))
KEYS = tuple(Pubkey(bytes([78] * 31 + [number])) for number in range(5))


async def read_pools(node: SimulatorClient, pair: tuple[Token, Token], amount: int) -> list[Pool]:
    """The pools of a pair that trade, each with what a quote of an amount needs."""
    pools = []
    for venue in HOSTED_VENUES:
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
    for venue in HOSTED_VENUES:
        if venue.name in names:
            address = venue.derive_pool_address(*mints)
            pools.append(await read_pool(node, venue, address, mints[0], amount))
    return pools


async def test_only_tables_that_can_be_used_are_and_others_are_told_once(tmp_path: Path) -> None:
    names = ("active", "closing", "foreign", "broken", "extended", "absent")
    keys = {name: Pubkey(bytes([80 + n] * 32)) for n, name in enumerate(names)}
    await store_accounts(
        tmp_path,
        {
            keys["active"]: LookupTable(KEYS).encode_account(),
            keys["closing"]: LookupTable(KEYS, deactivation_slot=3).encode_account(),
            keys["foreign"]: make_account(OTHER_PROGRAM, LookupTable(KEYS).encode_account().data),
            keys["broken"]: make_account(LOOKUP_TABLE_PROGRAM, bytes(70)),
            keys["extended"]: LookupTable(KEYS, U64_MAX, FAR_SLOT, 3).encode_account(),
        },
    )
    async with open_simulator(tmp_path, MANY) as node:
        tables = LookupTables(node.rpc, [*keys.values()])
        with capture_logs() as logs:
            assert not await tables.refresh(), "it has addresses that become usable"
            assert not await tables.refresh()
        assert {table.key: tuple(table.addresses) for table in tables.usable} == {
            keys["active"]: KEYS,
            keys["extended"]: KEYS[:3],
        }
        told = {each["table"]: each["reason"] for each in logs}
        assert len(told) == len(logs)
        assert told == {
            str(keys["closing"]): "the table is deactivated since slot 3",
            str(keys["foreign"]): f"the account belongs to {OTHER_PROGRAM}",
            str(keys["broken"]): "70 bytes are no size of a table",
            str(keys["absent"]): "the account does not exist",
        }


async def test_addresses_are_usable_from_the_slot_after_they_were_added(tmp_path: Path) -> None:
    await store_accounts(
        tmp_path, {TABLE: LookupTable(KEYS, U64_MAX, FAR_SLOT, 3).encode_account()}
    )
    async with open_simulator(tmp_path, MANY) as node:
        tables = LookupTables(node.rpc, [TABLE])
        assert not await tables.refresh()
        await node.call_control("advance", {"blocks": FAR_SLOT + 10})
        assert await tables.refresh()
        assert [tuple(table.addresses) for table in tables.usable] == [KEYS]


async def test_tables_stay_as_they_are_while_the_node_does_not_answer(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with run_node(tmp_path, MANY) as url:
            rpc = await stack.enter_async_context(RpcClient(url))
            tables = LookupTables(rpc, [NODE_TABLE])
            assert await tables.refresh()
            before = tables.usable
        with pytest.raises(EngineError):
            await tables.refresh()
        assert tables.usable is before
        assert [table.key for table in before] == [NODE_TABLE]


async def test_the_table_of_the_node_is_the_same_after_a_restart(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        async with open_simulator(tmp_path, MANY) as node:
            account = await node.read_account(NODE_TABLE)
            contents.append(decode_lookup_table(account))
            await node.call_control("advance", {"blocks": 100})
    assert contents[0] == contents[1]
    assert 200 < len(contents[0].addresses) <= 256
    async with open_simulator(tmp_path, replace(MANY, pools="default")) as node:
        assert await node.read_account(NODE_TABLE) is None


@pytest.mark.parametrize("pair", [(SOL, USDC), (USDC, SOL), (JUP, SOL), (SOL, USDT)])
async def test_a_swap_over_three_programs_pays_what_they_quote(
    pair: tuple[Token, Token], tmp_path: Path
) -> None:
    async with open_simulator(tmp_path, MANY) as node:
        tables = await open_tables(node)
        pools = await choose_programs(node, pair, 10**9, "clmm", "dlmm", "cpmm")
        with pytest.raises(Rejected, match="transaction_too_large"):
            await sign_route(node, pools, pair, 10**9, ())
        signed, quoted = await sign_route(node, pools, pair, 10**9, tables.usable)
        assert len(signed.wire) <= WIRE_BYTES_MAX
        had = await node.read_balance(pair[1])
        landed = await node.land(signed)
        assert landed.err is None, landed.logs
        fill = read_fill(landed, node.wallet.address, mint_address(pair[1]))
        assert fill.amount_out == quoted
        fee = fill.fee_lamports if pair[1] == SOL else 0
        assert await node.read_balance(pair[1]) - had == quoted - fee
        [entry] = await node.list_entries()
        assert (entry["amount_in"], entry["amount_out"]) == (str(3 * 10**9), str(quoted))
        assert len(entry["swaps"]) == 3


async def test_a_landed_transaction_shows_what_it_named_in_tables(tmp_path: Path) -> None:
    pair = SOL, USDC
    version = {"maxSupportedTransactionVersion": 0}
    async with open_simulator(tmp_path, MANY) as node:
        tables = await open_tables(node)
        pools = await choose_programs(node, pair, 10**9, "clmm", "dlmm", "cpmm")
        signed, _ = await sign_route(node, pools, pair, 10**9, tables.usable)
        landed = await node.land(signed)
        shown = (await node.call_rpc("getTransaction", signed.signature, version))["result"]
        own = VersionedTransaction.from_bytes(signed.wire).message
        [lookup] = own.address_table_lookups  # type: ignore[union-attr]
        addresses = [str(key) for key in tables.usable[0].addresses]
        writable = [addresses[index] for index in lookup.writable_indexes]
        readonly = [addresses[index] for index in lookup.readonly_indexes]
        meta, message = shown["meta"], shown["transaction"]["message"]
        assert meta["loadedAddresses"] == {"writable": writable, "readonly": readonly}
        assert message["addressTableLookups"] == [
            {
                "accountKey": str(NODE_TABLE),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
        ]
        keys = [*message["accountKeys"], *writable, *readonly]
        assert len(meta["preBalances"]) == len(meta["postBalances"]) == len(keys)
        assert len(landed.lamports_after) == len(keys)
        for balance in meta["postTokenBalances"]:
            account = await node.read_account(Pubkey.from_string(keys[balance["accountIndex"]]))
            assert account is not None
            content = TOKEN_ACCOUNT.read(account.data)
            assert (str(content.mint), str(content.owner)) == (balance["mint"], balance["owner"])
            assert str(content.amount) == balance["uiTokenAmount"]["amount"]
        vaults = [b for b in meta["postTokenBalances"] if keys[b["accountIndex"]] in writable]
        assert len(vaults) == 6
    async with open_simulator(tmp_path, MANY) as node:  # from the ledger's file
        again = (await node.call_rpc("getTransaction", signed.signature, version))["result"]
        assert again == shown


async def test_a_rolled_back_transaction_lands_again_with_its_tables(tmp_path: Path) -> None:
    options = replace(MANY, confirmed_slots=5)
    async with open_simulator(tmp_path, options) as node:
        tables = await open_tables(node)
        await node.call_control("advance", {"blocks": 20})
        pools = await choose_programs(node, (SOL, USDC), 10**9, "clmm", "dlmm", "cpmm")
        signed, _ = await sign_route(node, pools, (SOL, USDC), 10**9, tables.usable)
        await node.send_and_wait(signed)
        fork = await node.call_control("fork", {"blocks": 1, "reland": True})
        assert fork["forgotten"] == 1
        await node.call_control("advance", {"blocks": 1})
        status = await node.wait_until_landed(signed.signature)
        assert status.err is None


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (None, "loads an address table account that doesn't exist"),
        (make_account(OTHER_PROGRAM, bytes(88)), "address table account with an invalid owner"),
        (make_account(LOOKUP_TABLE_PROGRAM, bytes(57)), "address table account with invalid data"),
        (LookupTable(KEYS).encode_account(), "table lookup uses an invalid index"),
        ("newest", "table lookup uses an invalid index"),
        ("closed", "loads an address table account that doesn't exist"),
    ],
)
async def test_a_lookup_that_fails_is_refused_as_a_real_node_does(
    table: Account | str | None, reason: str, tmp_path: Path
) -> None:
    async with open_simulator(tmp_path / "other", MANY) as node:
        addresses = (await open_tables(node)).usable[0].addresses
    if table == "newest":
        table = LookupTable(tuple(addresses), U64_MAX, FAR_SLOT, 1).encode_account()
    if table == "closed":
        table = LookupTable(tuple(addresses), deactivation_slot=0).encode_account()
    assert not isinstance(table, str)
    if table is not None:
        await store_accounts(tmp_path, {TABLE: table})
    async with open_simulator(tmp_path, MANY) as node:
        await node.call_control("advance", {"blocks": 600})
        pools = await choose_programs(node, (SOL, USDC), 10**9, "clmm", "dlmm", "cpmm")
        tables = [AddressLookupTableAccount(TABLE, addresses)]
        signed, _ = await sign_route(node, pools, (SOL, USDC), 10**9, tables)
        [answer] = await node.rpc.send_transactions([signed.wire])
        assert isinstance(answer, Rejected)
        assert reason in answer.reason
        with pytest.raises(Rejected, match=reason):
            await node.rpc.simulate_transaction(signed.wire)
        assert await node.read_status(signed.signature) is None


async def test_a_transaction_that_locks_too_many_accounts_is_not_executed(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, MANY) as node:
        [table] = (await open_tables(node)).usable
        memos = [
            Instruction(MEMO_PROGRAM, b"memo", [AccountMeta(key, False, False)])
            for key in table.addresses[:70]
        ]
        recent = await node.rpc.get_latest_blockhash()
        message = MessageV0.try_compile(node.wallet.address, memos, [table], recent.hash)
        signature = node.wallet.sign(to_bytes_versioned(message))
        wire = bytes(VersionedTransaction.populate(message, [signature]))
        assert (await node.rpc.simulate_transaction(wire)).err == "TooManyAccountLocks"


@pytest.mark.parametrize(("pair", "amount"), [((SOL, USDC), 10**15), ((USDC, SOL), 10**14)])
async def test_an_order_is_split_over_more_pools_where_there_is_a_table(
    pair: tuple[Token, Token], amount: int, tmp_path: Path
) -> None:
    async with open_simulator(tmp_path, MANY) as node:
        tables = await open_tables(node)
        pools = await read_pools(node, pair, amount)
        terms = OrderTerms(OrderType.MARKET, *pair, amount, None, 50)
        quotes = [pool.quote(mint_address(pair[0]), amount) for pool in pools]
        paid = []
        for each in (None, tables):
            splitter = Splitter(legs_max=4, unit_price=1_000, tables=each)
            split = splitter.split(terms, pools, quotes)
            assert split is not None
            paid.append(split.amount_out)
        assert paid[1] > paid[0] > max(quote.amount_out for quote in quotes)
        assert len(split.parts) >= 3
        programs = {part.quote.program for part in split.parts}
        assert programs & {"clmm", "dlmm"}
        legs = [SwapLeg(p.pool, p.quote.amount_in, p.quote.amount_out) for p in split.parts]
        swap = SwapParameters(legs, *map(mint_address, pair), derive_wrap_seed(UUID(int=1), 1))
        recent = await node.rpc.get_latest_blockhash()
        unsigned = build_swap(swap, node.wallet.address, recent, ComputeBudget(), tables.usable)
        landed = await node.land(unsigned.sign(node.wallet))
        assert isinstance(landed, LandedTransaction)
        assert landed.err is None, landed.logs
        fill = read_fill(landed, node.wallet.address, mint_address(pair[1]))
        assert fill.amount_out == split.amount_out
