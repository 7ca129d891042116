"""The contract of every venue: one specification, run against all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.domain.quotes import Dex, Quote
from backend.venues import CPMM, DAMM_V2, HOSTED_VENUES, VENUES, VENUES_BY_PROGRAM, find_venues
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import (
    CLOCK,
    CLOCK_SYSVAR,
    SYSVAR_OWNER,
    Clock,
    make_account,
    make_token_account,
)
from backend.venues.venue import Account, Accounts, SwapAccounts
from tests.pools import SOL, USDC, patch_account

NOW = Clock(slot=70, epoch=3, unix_time=1_000)
ONE_SOL = 10**9


@dataclass(frozen=True)
class Case:
    """A venue and its particulars that the specification does not cover."""

    venue: HostedVenue
    fee_e9: int
    size: int
    status_offset: int
    status_disabled: int

    def __str__(self) -> str:
        return self.venue.dex.value

    def create_pool(self, open_time: int = 0) -> HostedPool:
        return self.venue.create_pool(
            SOL, USDC, 50_000 * ONE_SOL, 5_000_000 * 10**6, fee_e9=self.fee_e9, open_time=open_time
        )


CASES = [
    Case(CPMM, 3_000_000, 637, 329, 4),
    Case(DAMM_V2, 2_000_000, 1112, 481, 1),
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    param: Case = request.param
    return param


def encode_quote_accounts(pool: HostedPool, clock: Clock = NOW) -> Accounts:
    return {
        **pool.encode_accounts(),
        CLOCK_SYSVAR: make_account(SYSVAR_OWNER, CLOCK.write(clock)),
    }


def get_own_account(case: Case) -> tuple[Pubkey, Account]:
    pool = case.create_pool()
    return pool.address, pool.encode_accounts()[pool.address]


def test_every_venue_has_a_case() -> None:
    assert [case.venue for case in CASES] == list(HOSTED_VENUES) == list(VENUES)
    assert all(VENUES_BY_PROGRAM[venue.program] is venue for venue in HOSTED_VENUES)
    assert all(find_venues(dex) for dex in Dex)


def test_a_quote_is_of_the_slot_and_the_price_after_the_fee(case: Case) -> None:
    pool = case.venue.decode_pool(
        case.create_pool().address, encode_quote_accounts(case.create_pool()), 71
    )
    quote = pool.quote(SOL, ONE_SOL)
    # 100 USDC, less the fee, less an impact of 1 SOL on 50,000.
    expected = 100_000_000 * (10**9 - case.fee_e9) // 10**9
    assert 0 <= expected - quote.amount_out <= expected // 50_000 + 2
    assert 19_000 <= quote.price_impact_e9 <= 20_001
    assert quote == Quote(
        case.venue.dex,
        str(case.create_pool().address),
        ONE_SOL,
        quote.amount_out,
        case.fee_e9,
        quote.price_impact_e9,
        71,
        quote.fees,
    )
    fee_in, fee_out = quote.fees
    assert fee_in in {0, -(-ONE_SOL * case.fee_e9 // 10**9)}
    assert fee_out in {0, -(-(quote.amount_out + fee_out) * case.fee_e9 // 10**9)}
    assert (fee_in > 0) != (fee_out > 0)


@pytest.mark.parametrize("mint", [SOL, USDC])
def test_a_swap_pays_the_quote_and_moves_the_price_against_the_next(
    case: Case, mint: Pubkey
) -> None:
    pool = case.create_pool()
    quote = pool.quote(mint, 10**10)
    out, after = pool.after_swap(mint, 10**10)
    assert out == quote.amount_out
    assert after.quote(mint, 10**10).amount_out < out
    assert pool.quote(mint, 10**10) == quote, "a pool does not change"


def test_the_accounts_of_a_pool_are_all_that_decoding_needs(case: Case) -> None:
    pool = case.create_pool()
    accounts = encode_quote_accounts(pool)
    named = case.venue.list_accounts(*get_own_account(case))
    assert len(set(named)) == len(named)
    only = {key: accounts[key] for key in named}
    assert case.venue.decode_pool(pool.address, only, 1).quote(SOL, ONE_SOL).amount_out
    for key in named:
        with pytest.raises(Rejected) as refusal:
            case.venue.decode_pool(pool.address, {**only, key: None}, 1)
        assert refusal.value.code == ("no_pool" if key == pool.address else "bad_pool")


def test_the_default_pool_does_not_depend_on_the_order_of_its_tokens(case: Case) -> None:
    address = case.venue.derive_pool_address(SOL, USDC)
    assert address == case.venue.derive_pool_address(USDC, SOL) == case.create_pool().address


def test_both_tokens_have_a_token_program(case: Case) -> None:
    pool = case.create_pool()
    assert sorted(map(bytes, pool.mints)) == sorted([bytes(SOL), bytes(USDC)])
    assert pool.token_program(SOL) == pool.token_program(USDC)


def test_a_pool_of_another_program_is_refused(case: Case) -> None:
    address, account = get_own_account(case)
    foreign = replace(account, owner=SYSVAR_OWNER)
    for attempt in (
        lambda: case.venue.list_accounts(address, foreign),
        lambda: case.venue.decode_pool(
            address, {**encode_quote_accounts(case.create_pool()), address: foreign}, 1
        ),
    ):
        with pytest.raises(Rejected) as refusal:
            attempt()
        assert refusal.value.code == "bad_pool"


def test_an_account_of_another_kind_is_refused(case: Case) -> None:
    pool = case.create_pool()
    accounts = patch_account(encode_quote_accounts(pool), pool.address, 0, bytes(8))
    with pytest.raises(Rejected, match="bad_pool"):
        case.venue.decode_pool(pool.address, accounts, 1)


def test_a_short_account_is_refused_and_a_longer_one_is_not(case: Case) -> None:
    address, account = get_own_account(case)
    assert len(account.data) == case.size
    with pytest.raises(Rejected, match="bad_pool"):
        case.venue.list_accounts(address, replace(account, data=account.data[:-1]))
    longer = replace(account, data=account.data + b"later")
    again = case.venue.decode_pool(
        address, {**encode_quote_accounts(case.create_pool()), address: longer}, 1
    )
    assert again.quote(SOL, ONE_SOL).amount_out == case.create_pool().quote(SOL, ONE_SOL).amount_out


def test_a_disabled_pool_is_refused(case: Case) -> None:
    pool = case.create_pool()
    accounts = patch_account(
        encode_quote_accounts(pool), pool.address, case.status_offset, bytes([case.status_disabled])
    )
    with pytest.raises(Rejected, match="pool_disabled"):
        case.venue.decode_pool(pool.address, accounts, 1).quote(SOL, ONE_SOL)


@pytest.mark.parametrize(("now", "is_open"), [(999, False), (1_000, True)])
def test_a_pool_opens_at_its_time(case: Case, now: int, is_open: bool) -> None:
    pool = case.create_pool(open_time=1_000)
    decoded = case.venue.decode_pool(
        pool.address, encode_quote_accounts(pool, Clock(unix_time=now)), 1
    )
    if is_open:
        assert decoded.quote(SOL, ONE_SOL).amount_out
        return
    with pytest.raises(Rejected, match="not_open"):
        decoded.quote(SOL, ONE_SOL)


@pytest.mark.parametrize("amount", [-1, 0, 1])
def test_an_amount_that_pays_nothing_is_refused(case: Case, amount: int) -> None:
    with pytest.raises(Rejected, match="zero_output"):
        case.create_pool().quote(SOL, amount)


@pytest.mark.parametrize("amount", [U64_MAX, U64_MAX + 1])
def test_an_amount_that_is_too_large_is_refused(case: Case, amount: int) -> None:
    with pytest.raises(Rejected, match="amount_too_large"):
        case.create_pool().quote(SOL, amount)


def test_a_token_that_is_not_the_pools_is_refused(case: Case) -> None:
    stranger = Pubkey.new_unique()
    with pytest.raises(Rejected, match="bad_pool"):
        case.create_pool().quote(stranger, ONE_SOL)
    with pytest.raises(Rejected, match="bad_pool"):
        case.create_pool().token_program(stranger)


def test_a_moved_price_is_the_price(case: Case) -> None:
    pool = case.create_pool().with_price(SOL, 98_000_000, ONE_SOL)
    out = pool.quote(SOL, ONE_SOL).amount_out
    fair = 98_000_000 * (10**9 - case.fee_e9) // 10**9
    assert 0 <= fair - out <= fair // 40_000


@pytest.mark.parametrize(
    ("one_at", "other_at", "pays_at_least"),
    [(1_000, 1_001, True), (1_001, 1_000, True), (999, 1_001, False)],
)
def test_an_open_pool_pays_at_least_what_a_lower_one_pays_whichever_is_newer(
    case: Case, one_at: int, other_at: int, *, pays_at_least: bool
) -> None:
    pool = case.create_pool(open_time=1_000)
    one = pool.with_clock(replace(NOW, unix_time=one_at))
    other = pool.with_clock(replace(NOW, unix_time=other_at)).with_price(SOL, 99, 1_000)
    assert one.pays_at_least(other, SOL) == pays_at_least
    assert not other.pays_at_least(one, SOL)


def test_an_instruction_that_is_no_such_swap_is_refused(case: Case) -> None:
    pool = case.create_pool()
    trader = SwapAccounts(Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique())
    instruction = pool.swap_instruction(trader, SOL, 5, 1)
    keys = [meta.pubkey for meta in instruction.accounts]
    accounts = {trader.account_in: make_token_account(SOL, trader.owner, 5)}
    assert case.venue.parse_swap(keys, instruction.data, accounts).pool == pool.address
    for bad_keys, bad_data in (
        (keys[:-1], instruction.data),
        (keys, instruction.data[:-1]),
        (keys, b"\0" * 8 + instruction.data[8:]),
    ):
        with pytest.raises(Rejected, match="bad_instruction"):
            case.venue.parse_swap(bad_keys, bad_data, accounts)


def test_a_swap_of_an_account_that_is_not_there_has_no_direction() -> None:
    pool = CASES[1].create_pool()
    trader = SwapAccounts(Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique())
    instruction = pool.swap_instruction(trader, SOL, 5, 1)
    keys = [meta.pubkey for meta in instruction.accounts]
    with pytest.raises(Rejected, match="bad_instruction"):
        DAMM_V2.parse_swap(keys, instruction.data, {})


@pytest.mark.parametrize("locked_bps", [0, 2_500, 10_000])
def test_a_pool_shows_its_reserve_its_locked_liquidity_and_its_age(
    case: Case, locked_bps: int
) -> None:
    pool = case.venue.create_pool(
        SOL, USDC, 10**12, 10**11, fee_e9=3_000_000, open_time=1_000, locked_bps=locked_bps
    ).with_clock(Clock(unix_time=1_060))
    accounts = case.venue.encode_lp_mint(pool.address, pool.lp_supply, locked_bps)
    assert set(pool.list_trait_accounts()) == set(accounts)
    traits = pool.read_traits(SOL, accounts)
    assert abs(traits.reserve_in - 10**12) <= 10**6
    assert traits.age_s == 60
    assert traits.locked_bps is not None
    assert locked_bps - 1 <= traits.locked_bps <= locked_bps
    if accounts:
        assert pool.read_traits(SOL, {}).locked_bps is None
