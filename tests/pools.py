"""Pools for tests, built from their records, and their accounts as a node returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedPool
from backend.venues.meteora.damm_v2.accounts import BaseFee, PoolState, RateLimiter, Volatility
from backend.venues.meteora.damm_v2.curve import PriceRange
from backend.venues.meteora.damm_v2.fees import Schedule
from backend.venues.meteora.damm_v2.pool import DammPool
from backend.venues.meteora.damm_v2.pricing import PoolPricing
from backend.venues.meteora.damm_v2.pricing_codec import write_pricing
from backend.venues.raydium.clmm.tick_array import Tick
from backend.venues.raydium.cpmm.accounts import AMM_CONFIG, POOL_STATE
from backend.venues.raydium.cpmm.pool import CpmmPool
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, SYSVAR_OWNER, Clock, make_account
from backend.venues.venue import Account, Accounts

SOL = Pubkey.from_string("So11111111111111111111111111111111111111112")
USDC = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")

FEE_E9 = 3_000_000
NOW = Clock(slot=1_000, epoch=5, leader_epoch=6, unix_time=1_790_000_000)

CLIFF = 100_000_000
LIMITER = RateLimiter(increment_bps=100, duration=60, max_fee_bps=5_000, reference_amount=1_000)
VOLATILITY = Volatility(
    is_on=1,
    max_accumulator=350_000,
    fee_control=40_000,
    bin_step=1,
    filter_period=10,
    decay_period=120,
    reduction=5_000,
    last_update=1_000,
    bin_step_q64=2**64 // 10_000,
    sqrt_price_reference=2**64,
    accumulator=100_000,
    reference=20_000,
)


def make_clock_account(clock: Clock = NOW) -> Account:
    """The clock account as a node returns it."""
    return make_account(SYSVAR_OWNER, CLOCK.write(clock))


def encode_quote_accounts(pool: HostedPool, clock: Clock = NOW) -> dict[Pubkey, Account | None]:
    """The accounts that a quote of ``pool`` needs, at ``clock``."""
    return {**pool.encode_accounts(), CLOCK_SYSVAR: make_clock_account(clock)}


def patch_account(accounts: Accounts, key: Pubkey, offset: int, new: bytes) -> Accounts:
    """The accounts with some bytes of one of them overwritten."""
    account = accounts[key]
    assert account is not None
    data = account.data[:offset] + new + account.data[offset + len(new) :]
    return {**accounts, key: replace(account, data=data)}


def make_cpmm_pool(
    reserve0: int = 50_000 * 10**9,
    reserve1: int = 5_000_000 * 10**6,
    *,
    fees0: tuple[int, int, int] = (0, 0, 0),
    fees1: tuple[int, int, int] = (0, 0, 0),
    creator_fee_on: int | None = None,
    creator_fee_rate: int = 500,
    trade_fee_rate: int = 3_000,
) -> CpmmPool:
    """A pool of SOL and USDC with ``fees`` of the protocol, the fund and the creator in its vaults.

    ``creator_fee_on`` enables the creator's fee, in one of its three modes.
    """
    pool = CPMM.create_pool(SOL, USDC, reserve0, reserve1, fee_e9=FEE_E9)
    state = pool.state._replace(
        protocol_fees0=fees0[0],
        fund_fees0=fees0[1],
        creator_fees0=fees0[2],
        protocol_fees1=fees1[0],
        fund_fees1=fees1[1],
        creator_fees1=fees1[2],
        creator_fee_on=creator_fee_on or 0,
        enable_creator_fee=int(creator_fee_on is not None),
    )
    config = replace(pool.config, trade_fee_rate=trade_fee_rate, creator_fee_rate=creator_fee_rate)
    sides = (
        pool.sides[0].with_balance_change(sum(fees0)),
        pool.sides[1].with_balance_change(sum(fees1)),
    )
    config_account = make_account(CPMM.program, AMM_CONFIG.write(config))
    return replace(
        pool,
        clock=NOW,
        state=state,
        config=config,
        sides=sides,
        account=make_account(CPMM.program, POOL_STATE.write(state)),
        config_account=config_account,
    )


def make_damm_pool(
    state: PoolState,
    *,
    fee: BaseFee | None = None,
    schedule: Schedule | None = None,
    volatility: Volatility | None = None,
    clock: Clock = NOW,
    owed: tuple[int, int] = (0, 0),
) -> DammPool:
    """A pool in ``state`` whose vaults hold its reserves and the fees that it owes."""
    template = DAMM_V2.create_pool(state.mint_a, state.mint_b, 10**12, 10**12, fee_e9=FEE_E9)
    old = template.pricing
    pricing = PoolPricing(
        state, fee or old.base_fee, schedule or old.schedule, volatility or old.volatility, clock
    )
    (side_a, side_b), (a, b) = template.sides, pricing.reserves()
    sides = (
        side_a.with_balance_change(a + owed[0] - side_a.balance),
        side_b.with_balance_change(b + owed[1] - side_b.balance),
    )
    account = make_account(DAMM_V2.program, write_pricing(pricing))
    return replace(template, pricing=pricing, sides=sides, account=account)


def make_damm_state(curve: PriceRange) -> PoolState:
    """A pool of SOL and USDC with all its liquidity in ``curve``."""
    state = DAMM_V2.create_pool(SOL, USDC, 10**12, 10**12, fee_e9=FEE_E9).pricing.state
    amount_a, amount_b = curve.reserves()
    return state._replace(
        liquidity=curve.liquidity,
        sqrt_price=curve.sqrt_price,
        init_sqrt_price=curve.sqrt_price,
        sqrt_min_price=curve.sqrt_min,
        sqrt_max_price=curve.sqrt_max,
        amount_a=amount_a,
        amount_b=amount_b,
    )


class ListedTicks:
    """Initialized ticks of a Raydium CLMM pool, all of them known."""

    def __init__(self, ticks: Sequence[Tick]) -> None:
        self._ticks = ticks

    def find_next(self, tick: int, *, zero_for_one: bool) -> Tick:
        """The nearest one at or below ``tick``, or above it."""
        if zero_for_one:
            below = [each for each in self._ticks if each.tick <= tick]
            if below:
                return max(below, key=lambda each: each.tick)
        else:
            above = [each for each in self._ticks if each.tick > tick]
            if above:
                return min(above, key=lambda each: each.tick)
        raise Rejected("no_liquidity", "there are no more ticks")
