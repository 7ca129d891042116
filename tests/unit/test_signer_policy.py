"""The signer signs swaps of the wallet for the wallet, and nothing that only looks so."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey

from backend.chain.bundles.tips import Tip
from backend.chain.compute_budget import ComputeBudget
from backend.chain.rpc.results import Blockhash
from backend.chain.token_accounts import (
    derive_token_address,
)
from backend.chain.transactions import SwapLeg, SwapParameters, build_swap, derive_wrap_seed
from backend.config import Settings
from backend.config.comma_list import split_commas
from backend.domain.errors import Rejected
from backend.simulator.chain.genesis import TIP_ACCOUNTS
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM, MAINNET_VENUES
from backend.venues.hosting import HostedVenue
from backend.venues.spl import (
    MEMO_PROGRAM,
    NATIVE_MINT,
    TOKEN_ACCOUNT_RENT,
)
from tests.pools import SOL, USDC
from tests.unit.signer_attacks import (
    ATTACKS,
    ROUTE,
    TEMPORARY,
    THIEFS_USDC,
    USDC_ACCOUNT,
    read_opening,
)
from tests.unit.signer_messages import (
    OTHER_MINT,
    OWNER,
    POLICY,
    SOL_UNIT,
    THIEF,
    TIP_ACCOUNT,
    build_route,
    check,
    check_payload,
    compile_payload,
    replace_account,
)

FEE = ComputeBudget(100_000, 1_000).compute_fee()
VENUES = pytest.mark.parametrize("venue", MAINNET_VENUES.hosted, ids=lambda each: each.name)


def table_pools(route: list[Instruction]) -> AddressLookupTableAccount:
    """A lookup table with all that a route names but the wallet's accounts."""
    named = {meta.pubkey for each in route for meta in each.accounts}
    own = {OWNER, TEMPORARY, USDC_ACCOUNT, derive_token_address(OWNER, OTHER_MINT)}
    return AddressLookupTableAccount(THIEF, sorted(named - own, key=bytes))


def find_swap(instructions: list[Instruction], venue: HostedVenue) -> int:
    return next(n for n, each in enumerate(instructions) if each.program_id == venue.program)


@VENUES
@pytest.mark.parametrize("pair", [(SOL, USDC), (USDC, SOL), (USDC, OTHER_MINT)])
def test_a_swap_of_the_engine_is_permitted_with_what_it_spends(
    venue: HostedVenue, pair: tuple[Pubkey, Pubkey]
) -> None:
    spending = check(build_route(venue, pair=pair, amount=700))
    assert spending.sold == {pair[0]: 700}
    assert spending.fee_lamports == FEE
    expected = [] if pair[1] == SOL else [derive_token_address(OWNER, pair[1])]
    assert spending.opened == expected


def test_swaps_by_several_pools_or_through_a_token_spend_what_they_take_at_first() -> None:
    assert check(build_route(CPMM, AMM_V4, amount=5)).sold == {SOL: 10}
    route = build_route(AMM_V4, CLMM, through=OTHER_MINT, amount=5)
    assert check(route, tables=[table_pools(route)]).sold == {SOL: 5}
    route = build_route(AMM_V4, CPMM, pair=(USDC, OTHER_MINT), through=SOL)
    assert check(route).sold == {USDC: SOL_UNIT}


def test_what_a_second_swap_takes_beyond_what_the_first_has_brought_is_counted() -> None:
    route = build_route(AMM_V4, CLMM, pair=(SOL, OTHER_MINT), through=USDC, amount=500)
    n = find_swap(route, CLMM)
    greedy = route[n].data[:8] + (2_000).to_bytes(8, "little") + route[n].data[16:]
    route[n] = Instruction(CLMM.program, greedy, route[n].accounts)
    assert check(route, tables=[table_pools(route)]).sold == {SOL: 500, USDC: 1_500}


def test_a_tip_to_a_listed_account_is_part_of_the_fee() -> None:
    spending = check([*ROUTE, Tip(TIP_ACCOUNT, 10_000).build_transfer(OWNER)])
    assert spending.fee_lamports == FEE + 10_000


def test_the_accounts_that_take_tips_by_default_are_those_of_jito() -> None:
    listed = split_commas(Settings.load().signer_tip_accounts)
    assert sorted(listed) == sorted(map(str, TIP_ACCOUNTS))


def test_a_mint_without_a_limit_is_sold_only_where_all_others_may_be() -> None:
    route = build_route(CPMM, pair=(OTHER_MINT, USDC))
    with pytest.raises(Rejected, match="no limit"):
        check(route)
    assert check(route, replace(POLICY, permits_others=True)).sold == {}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_no_swap_of_the_wallet_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match=r"^signer_refused: the signer refuses: "):
        check(ATTACKS[name]())


@VENUES
@pytest.mark.parametrize("pair", [(SOL, USDC), (USDC, SOL)])
def test_no_account_of_the_wallet_can_be_another_one(
    venue: HostedVenue, pair: tuple[Pubkey, Pubkey]
) -> None:
    """Of every instruction, in place of each account: only those of a pool can be others."""
    route = build_route(venue, pair=pair)
    own = {OWNER, USDC_ACCOUNT, TEMPORARY}
    pools = set()
    for n, instruction in enumerate(route):
        for position, meta in enumerate(instruction.accounts):
            changed = [*route]
            changed[n] = replace_account(instruction, position, THIEF)
            try:
                check(changed)
            except Rejected:
                continue
            assert instruction.program_id == venue.program
            assert meta.pubkey not in own
            pools.add(meta.pubkey)
    assert pools


@VENUES
def test_an_account_in_a_lookup_table_is_never_the_wallets(venue: HostedVenue) -> None:
    route = build_route(venue, pair=(USDC, OTHER_MINT), amount=7)
    own = {USDC_ACCOUNT, derive_token_address(OWNER, OTHER_MINT)}
    assert check(route, tables=[table_pools(route)]).sold == {USDC: 7}
    for policy in (POLICY, replace(POLICY, permits_others=True)):
        for account in own:
            with pytest.raises(Rejected, match="signer_refused"):
                check(route, policy, [AddressLookupTableAccount(THIEF, [account])])


@VENUES
def test_a_swap_with_other_data_is_refused_or_counted_as_it_is(venue: HostedVenue) -> None:
    route = build_route(venue, pair=(USDC, SOL), amount=700)
    n = find_swap(route, venue)
    data, base = route[n].data, check(route).sold
    for position in range(len(data)):
        for bit in (1, 0x80):
            changed = bytearray(data)
            changed[position] ^= bit
            route[n] = Instruction(venue.program, bytes(changed), route[n].accounts)
            amounts = [changed[at : at + 8] for at in ((1, 9) if venue is AMM_V4 else (8, 16))]
            amount, minimum = (int.from_bytes(each, "little") for each in amounts)
            is_amount = position in range(*((1, 17) if venue is AMM_V4 else (8, 24)))
            if is_amount and minimum:
                assert check(route).sold == {**base, USDC: amount}
            else:
                with pytest.raises(Rejected):
                    check(route)
    for cut in (data[:-1], data + b"\0", b""):
        route[n] = Instruction(venue.program, cut, route[n].accounts)
        with pytest.raises(Rejected):
            check(route)


def test_the_engine_names_what_is_the_wallets_in_full_whatever_tables_hold() -> None:
    """Also where the table has it, and where the message would else be too large."""
    mints = (SOL, OTHER_MINT, USDC)
    legs = [
        SwapLeg(venue.create_pool(*hop, 10**15, 10**14, fee_e9=3_000_000), 5, 5, mints=hop)
        for venue, hop in ((AMM_V4, mints[:2]), (CLMM, mints[1:]))
    ]
    swap = SwapParameters(legs, SOL, USDC, derive_wrap_seed(UUID(int=42), 1))
    route = build_route(AMM_V4, CLMM, through=OTHER_MINT)
    everything = {meta.pubkey for each in route for meta in each.accounts} - {OWNER}
    table = AddressLookupTableAccount(THIEF, sorted(everything, key=bytes))
    recent = Blockhash(Hash.default(), 1, 1)
    unsigned = build_swap(swap, OWNER, recent, ComputeBudget(), [table])
    assert check_payload(unsigned.payload).sold == {SOL: 5}
    with pytest.raises(Rejected, match="signer_refused"):
        check(route, tables=[table])


def test_a_swap_without_a_minimum_is_refused() -> None:
    route = [*ROUTE]
    n = find_swap(route, CPMM)
    route[n] = Instruction(CPMM.program, route[n].data[:16] + bytes(8), route[n].accounts)
    with pytest.raises(Rejected, match="without a minimum"):
        check(route)


def test_a_referrer_and_a_host_are_paid_by_no_swap() -> None:
    for venue, position in ((DAMM_V2, 11), (DLMM, 9)):
        route = build_route(venue)
        n = find_swap(route, venue)
        route[n] = replace_account(route[n], position, THIEFS_USDC)
        with pytest.raises(Rejected, match=r"pays a (referrer|host)"):
            check(route)


def test_only_messages_of_version_0_that_the_wallet_alone_signs_are_read() -> None:
    payload = compile_payload(ROUTE)
    legacy = bytes(Message.new_with_blockhash(ROUTE, OWNER, Hash.default()))
    others = (b"", b"\x80", payload[1:], payload + b"\0", payload[:-1], b"\x81" + payload[1:])
    for text in (*others, legacy):
        with pytest.raises(Rejected, match="signer_refused"):
            check_payload(text)
    with pytest.raises(Rejected, match="not the only one that signs"):
        check_payload(compile_payload(ROUTE, payer=THIEF))
    second = AccountMeta(THIEF, is_signer=True, is_writable=False)
    memo = Instruction(MEMO_PROGRAM, b"text", [second])
    with pytest.raises(Rejected, match="not the only one that signs"):
        check([*ROUTE, memo])


def test_no_noise_is_permitted_and_none_breaks_the_check() -> None:
    payload, random = compile_payload(ROUTE), Random(7)
    for _ in range(1_500):
        noise = bytearray(payload)
        for _ in range(random.randint(1, 3)):
            noise[random.randrange(len(noise))] ^= 1 << random.randrange(8)
        try:
            check_payload(bytes(noise))
        except Rejected:
            continue
        # Another blockhash, memo, pool account or amount: what is ours stays ours.
        assert bytes(OWNER) in noise
        assert bytes(USDC_ACCOUNT) in noise


def test_the_rent_of_wrapped_sol_is_no_part_of_what_is_sold() -> None:
    assert read_opening()[1] == SOL_UNIT + TOKEN_ACCOUNT_RENT
    assert check(ROUTE).sold == {NATIVE_MINT: SOL_UNIT}
