"""A simulated node with a lookup table, and transactions that name accounts in tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.messages import WIRE_BYTES_MAX
from backend.chain.outcomes import read_fill
from backend.chain.rpc.errors import SendOutcomeUnknown
from backend.domain.amounts import U64_MAX, Token
from backend.domain.errors import Rejected, Transient
from backend.domain.tokens import JUP, SOL, USDC, USDT
from backend.simulator.options import NODE_TABLE_ADDRESS
from backend.simulator.wire.lookup_tables import NODE_TABLE
from backend.venues.lookup_table import LOOKUP_TABLE_PROGRAM, LookupTable, decode_lookup_table
from backend.venues.spl import MEMO_PROGRAM, TOKEN_ACCOUNT, make_account
from backend.venues.venue import Account
from tests.integration.simulator_client import (
    mint_address,
    open_simulator,
)
from tests.integration.table_transactions import (
    FAR_SLOT,
    KEYS,
    OTHER_PROGRAM,
    TABLE,
    choose_programs,
    open_tables,
    sign_route,
    store_accounts,
)
from tests.integration.test_simulator_many_pools import MANY


async def test_the_table_of_the_node_is_the_same_after_a_restart(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        async with open_simulator(tmp_path, MANY) as node:
            assert str(NODE_TABLE) == NODE_TABLE_ADDRESS
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
        fill = read_fill(landed, node.wallet.address, *map(mint_address, pair))
        assert fill.amount_out == quoted
        fee = fill.costs.network_fee if pair[1] == SOL else 0
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
        assert isinstance(answer, SendOutcomeUnknown), "another node may know the table"
        assert reason in answer.reason
        with pytest.raises(Transient, match=reason) as failure:
            await node.rpc.simulate_transaction(signed.wire)
        assert failure.value.code == answer.code == "lookup_table_unknown"
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
