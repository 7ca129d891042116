"""Lookup tables: their accounts, the messages that use them, and the setting that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.address_lookup_table_account import AddressLookupTable, AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.messages import (
    ACCOUNTS_MAX,
    WIRE_BYTES_MAX,
    compile_message,
    find_excess,
    measure_message,
)
from backend.chain.outcomes import classify_onchain_error
from backend.chain.rpc.results import Blockhash
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    UnsignedTransaction,
    build_swap,
    fits_transaction,
)
from backend.config import ConfigurationError, Settings
from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected, Transient
from backend.simulator.market.table_plan import plan_lookup_table
from backend.simulator.wire.lookup_tables import load_addresses
from backend.simulator.wire.transaction_parser import MalformedTransaction, parse_transaction
from backend.venues import MAINNET_VENUES
from backend.venues.hosting import HostedPool
from backend.venues.lookup_table import LOOKUP_TABLE_PROGRAM, LookupTable, decode_lookup_table
from backend.venues.spl import MEMO_PROGRAM, TOKEN_PROGRAM, make_account
from backend.venues.venue import Account, SwapAccounts
from tests.unit.test_route_splits import MINTS, ONE_SOL, OWNER, make_pools

RECENT = Blockhash(Hash.default(), 100, 1)
TABLE = Pubkey(bytes([9] * 32))
ALL_PROGRAMS = ("clmm", "dlmm", "cpmm", "damm_v2")


def make_keys(count: int, first: int = 0) -> tuple[Pubkey, ...]:
    return tuple(Pubkey((first + n).to_bytes(32, "big")) for n in range(1, count + 1))


def make_table(keys: Sequence[Pubkey], address: Pubkey = TABLE) -> AddressLookupTableAccount:
    return AddressLookupTableAccount(address, list(keys))


def plan_table(pools: Sequence[HostedPool]) -> AddressLookupTableAccount:
    return make_table(plan_lookup_table(pools).addresses)


def make_swap(pools: Sequence[HostedPool]) -> SwapParameters:
    return SwapParameters([SwapLeg(pool, ONE_SOL, 1) for pool in pools], *MINTS, "0" * 32)


def build(
    pools: Sequence[HostedPool], tables: Sequence[AddressLookupTableAccount] = ()
) -> UnsignedTransaction:
    return build_swap(make_swap(pools), OWNER, RECENT, ComputeBudget(), tables)


def read_message(transaction: UnsignedTransaction) -> MessageV0:
    return MessageV0.from_bytes(transaction.payload[1:])


def name_keys(keys: Sequence[Pubkey]) -> list[Instruction]:
    metas = [AccountMeta(key, is_signer=False, is_writable=False) for key in keys]
    return [Instruction(MEMO_PROGRAM, b"", metas)]


@pytest.mark.parametrize("last_extended_start", [0, 3])
def test_a_table_is_encoded_as_its_program_stores_it(last_extended_start: int) -> None:
    table = LookupTable(make_keys(5), U64_MAX, 77, last_extended_start)
    account = table.encode_account()
    assert account.owner == LOOKUP_TABLE_PROGRAM
    stored = AddressLookupTable.deserialize(account.data)
    assert tuple(stored.addresses) == table.addresses
    assert stored.meta.authority is None
    meta = stored.meta
    assert meta.deactivation_slot == U64_MAX
    assert (meta.last_extended_slot, meta.last_extended_slot_start_index) == (
        77,
        last_extended_start,
    )
    assert decode_lookup_table(account) == table
    with_authority = account.data[:21] + b"\1" + bytes(OWNER) + account.data[54:]
    assert decode_lookup_table(replace(account, data=with_authority)) == table


def test_what_was_added_in_a_block_can_be_named_from_the_next_one_on() -> None:
    keys = make_keys(5)
    table = LookupTable(keys, last_extended_slot=77, last_extended_start=3)
    assert [table.list_usable(slot) for slot in (76, 77, 78)] == [keys[:3], keys[:3], keys]


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (None, "does not exist"),
        (make_account(TOKEN_PROGRAM, bytes(88)), f"belongs to {TOKEN_PROGRAM}"),
        (make_account(LOOKUP_TABLE_PROGRAM, bytes(55)), "55 bytes"),
        (make_account(LOOKUP_TABLE_PROGRAM, b"\1" + bytes(56)), "57 bytes"),
        (make_account(LOOKUP_TABLE_PROGRAM, b"\1" + bytes(55 + 257 * 32)), "8280 bytes"),
        (make_account(LOOKUP_TABLE_PROGRAM, bytes(56)), "not initialized"),
        (make_account(LOOKUP_TABLE_PROGRAM, b"\1\1" + bytes(54)), "not initialized"),
    ],
)
def test_an_account_that_is_no_table_is_refused(account: Account | None, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as refusal:
        decode_lookup_table(account)
    assert refusal.value.code == "bad_lookup_table"


@pytest.mark.parametrize("mint_in", MINTS, ids=["sell", "buy"])
def test_three_and_four_programs_fit_a_transaction_with_a_table_only(mint_in: Pubkey) -> None:
    pools = make_pools(ALL_PROGRAMS)
    mints = mint_in, next(mint for mint in MINTS if mint != mint_in)
    table = plan_table(pools)
    for count in (3, 4):
        legs = [SwapLeg(pool, ONE_SOL, 1) for pool in pools[-count:]]
        assert not fits_transaction(legs, *mints)
        assert fits_transaction(legs, *mints, [table])
        swap = SwapParameters(legs, *mints, "0" * 32)
        with pytest.raises(Rejected, match=rf"bytes of {WIRE_BYTES_MAX}"):
            build_swap(swap, OWNER, RECENT, ComputeBudget())
        transaction = build_swap(swap, OWNER, RECENT, ComputeBudget(), [table])
        assert len(transaction.wire) <= WIRE_BYTES_MAX


def test_the_accounts_of_a_message_with_a_table_are_those_without_one() -> None:
    pools = make_pools(ALL_PROGRAMS)
    table = plan_table(pools)
    message = read_message(build(pools, [table]))
    [lookup] = message.address_table_lookups
    keys = list(message.account_keys)
    keys += [table.addresses[index] for index in lookup.writable_indexes]
    keys += [table.addresses[index] for index in lookup.readonly_indexes]
    assert len(set(keys)) == len(keys) <= ACCOUNTS_MAX
    swaps = [leg.program_id for leg in _build_swaps(pools)]
    called = [keys[each.program_id_index] for each in message.instructions]
    assert called[-len(swaps) - 1 : -1] == swaps
    assert all(each.program_id_index < len(message.account_keys) for each in message.instructions)
    compiled = message.instructions[-len(swaps) - 1 : -1]
    for built, expected in zip(compiled, _build_swaps(pools), strict=True):
        named = [keys[index] for index in built.accounts]
        # The trader's accounts are another's here.
        pairs = zip(named, (meta.pubkey for meta in expected.accounts), strict=True)
        assert sum(one != other for one, other in pairs) == 3


def _build_swaps(pools: Sequence[HostedPool]) -> list[Instruction]:
    trader = SwapAccounts(*make_keys(3, 1_000))
    return [pool.swap_instruction(trader, MINTS[0], ONE_SOL, 1) for pool in pools]


@pytest.mark.parametrize("names", [("cpmm",), ("dlmm",), ("clmm",), ("cpmm", "damm_v2")])
def test_a_transaction_that_fits_uses_no_table(names: Sequence[str]) -> None:
    pools = make_pools(names)
    assert build(pools, [plan_table(pools)]) == build(pools)


def test_only_tables_that_shorten_a_message_are_used() -> None:
    keys = make_keys(40)
    tables = [
        make_table(keys[:1], Pubkey(bytes([11] * 32))),
        make_table(make_keys(9, 500), Pubkey(bytes([12] * 32))),
        make_table(keys[1:], Pubkey(bytes([13] * 32))),
    ]
    message = compile_message(OWNER, name_keys(keys), Hash.default(), tables)
    assert [lookup.account_key for lookup in message.address_table_lookups] == [tables[2].key]
    assert keys[0] in message.account_keys
    assert find_excess(message) is None
    one_more = MessageV0.try_compile(OWNER, name_keys(keys), [tables[0], tables[2]], Hash.default())
    assert measure_message(message) < measure_message(one_more)


def test_a_transaction_cannot_name_more_accounts_than_one_may_lock() -> None:
    table = make_table(make_keys(256))
    for count, excess in ((62, None), (63, "the transaction names 65 accounts of 64")):
        keys = name_keys(table.addresses[:count])
        message = compile_message(OWNER, keys, Hash.default(), [table])
        assert find_excess(message) == excess


def test_a_program_in_a_table_is_called_as_itself() -> None:
    pools = make_pools(ALL_PROGRAMS)
    table = plan_table(pools)
    programs = [TOKEN_PROGRAM, MEMO_PROGRAM, *(venue.program for venue in MAINNET_VENUES.hosted)]
    assert not set(programs) & set(table.addresses), "they would waste its room"
    with_programs = make_table([*programs, *table.addresses])
    message = read_message(build(pools, [with_programs]))
    assert {each.program for each in MAINNET_VENUES.hosted if each.name in ALL_PROGRAMS} <= set(
        message.account_keys
    )


@given(st.dictionaries(st.integers(65, 1_200), st.integers(0, 255), max_size=4))
def test_any_bytes_of_a_transaction_with_lookups_are_parsed_or_refused(
    flips: dict[int, int],
) -> None:
    pools = make_pools(ALL_PROGRAMS)
    table = plan_lookup_table(pools)
    wire = bytearray(build(pools, [make_table(table.addresses)]).wire)
    for offset, value in flips.items():
        wire[offset % len(wire)] = value
    accounts = {TABLE: table.encode_account()}
    try:
        parsed = parse_transaction(
            bytes(wire), lambda lookups: load_addresses(lookups, accounts.get, 10)
        )
    except MalformedTransaction:
        return
    own = parsed.versioned.message.account_keys
    assert parsed.keys == [*own, *parsed.loaded.writable, *parsed.loaded.readonly]
    assert parsed.writable >= set(parsed.loaded.writable)
    assert {*parsed.keys} >= {key for each in parsed.instructions for key in each.keys}


@pytest.mark.parametrize("name", ["AddressLookupTableNotFound", "InvalidAddressLookupTableIndex"])
def test_a_table_that_a_node_does_not_know_is_no_reason_to_give_up(name: str) -> None:
    error = classify_onchain_error(name, (), MAINNET_VENUES.all)
    assert isinstance(error, Transient)
    assert error.code == "lookup_table_unknown"


def test_the_setting_names_tables_by_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().lookup_tables == ()
    one, other = map(str, make_keys(2))
    for text, expected in (("", ()), (f"{one}, {other},{one}", (one, other))):
        monkeypatch.setenv("ORDER_ENGINE_LOOKUP_TABLES", text)
        assert Settings.load().lookup_tables == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{TABLE},nonsense", "entry 2 is no address in base58"),
        (f"{TABLE},", "entry 2 is no address in base58"),
        (",".join(map(str, make_keys(17))), "there are 17 tables, 16 are possible"),
    ],
)
def test_a_setting_with_what_is_no_address_is_refused_by_name(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_ENGINE_LOOKUP_TABLES", text)
    with pytest.raises(ConfigurationError, match=rf"^ORDER_ENGINE_LOOKUP_TABLES is .*{reason}$"):
        Settings.load()
