"""Reads, changes and writes a pool's own account with its bitmaps, which lie in two accounts."""

from __future__ import annotations

from dataclasses import replace

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.bit_line import BitLine
from backend.venues.pool_side import PoolSide
from backend.venues.raydium.clmm.accounts import (
    POOL_STATE,
    AmmConfig,
    PoolState,
    derive_extension_address,
    read_array_line,
    write_array_line,
)
from backend.venues.raydium.clmm.fees import DYNAMIC_FEE, DynamicFee, FeeOn, FeeTerms
from backend.venues.raydium.clmm.swap import Curve, CurveSwap
from backend.venues.spl import Clock
from backend.venues.venue import Account, PoolTraits


def read_pool_state(program: Pubkey, pool: Pubkey, account: Account) -> PoolState:
    """Read a pool's own account; raises ``Rejected`` (``bad_pool``)."""
    if account.owner != program:
        raise Rejected("bad_pool", f"{pool} does not belong to Raydium's CLMM program")
    state = POOL_STATE.read(account.data)
    if state.fee_on not in set(FeeOn):
        raise Rejected("bad_pool", f"the pool {pool} has a fee mode that is not known")
    if not state.tick_spacing:
        raise Rejected("bad_pool", f"the pool {pool} has no tick spacing")
    return state


def read_dynamic_fee(account: Account) -> DynamicFee | None:
    """Read the fee that follows the volatility; ``None`` if the pool has none."""
    dynamic = DYNAMIC_FEE.read(account.data)
    return None if dynamic == DynamicFee() else dynamic


def read_line(
    program: Pubkey, pool: Pubkey, state: PoolState, extension: Account | None
) -> BitLine:
    """Read which tick arrays have initialized ticks; raises ``Rejected`` (``bad_pool``)."""
    if extension is not None and extension.owner != program:
        raise Rejected("bad_pool", f"the bitmap extension of the pool {pool} is not the program's")
    return read_array_line(
        pool, state.tick_array_bitmap, None if extension is None else extension.data
    )


def make_curve(s: PoolState) -> Curve:
    """The price of a pool and the liquidity at it."""
    return Curve(s.sqrt_price, s.tick, s.liquidity, s.tick_spacing, s.fee_growth0, s.fee_growth1)


def make_fee_terms(state: PoolState, config: AmmConfig, dynamic: DynamicFee | None) -> FeeTerms:
    """The fees of a pool's swaps."""
    return FeeTerms(
        config.trade_fee_rate,
        config.protocol_fee_rate,
        config.fund_fee_rate,
        FeeOn(state.fee_on),
        dynamic,
    )


def move_state(state: PoolState, curve: Curve) -> PoolState:
    """The state of a pool at another point of its curve."""
    return state._replace(
        sqrt_price=curve.sqrt_price,
        tick=curve.tick,
        liquidity=curve.liquidity,
        fee_growth0=curve.fee_growth0,
        fee_growth1=curve.fee_growth1,
    )


def add_fees(s: PoolState, swap: CurveSwap, *, is_on_token0: bool) -> PoolState:
    """The state of a pool that owes its protocol and its fund their shares of a swap's fee."""
    if is_on_token0:
        return s._replace(
            protocol_fees0=s.protocol_fees0 + swap.protocol_fee,
            fund_fees0=s.fund_fees0 + swap.fund_fee,
        )
    return s._replace(
        protocol_fees1=s.protocol_fees1 + swap.protocol_fee,
        fund_fees1=s.fund_fees1 + swap.fund_fee,
    )


def read_traits(
    s: PoolState, sides: tuple[PoolSide, PoolSide], clock: Clock, index_in: int
) -> PoolTraits:
    """Read the reserve of a token, without the fees in its vault that the pool owes, and the age.

    The program keeps the time of opening that it was given, which may be 0: no age is known. What
    is locked are positions, of which a pool has no list.
    """
    owed = (s.protocol_fees0 + s.fund_fees0, s.protocol_fees1 + s.fund_fees1)[index_in]
    age_s = clock.unix_time - s.open_time if s.open_time else None
    return PoolTraits(sides[index_in].balance - owed, None, age_s)


def encode_pool_accounts(
    pool: Pubkey,
    state: PoolState,
    dynamic: DynamicFee | None,
    line: BitLine,
    over: tuple[Account, Account | None],
) -> dict[Pubkey, Account]:
    """Encode a pool's own account and its bitmap extension, over what was read of them."""
    account, extension = over
    own, extended = write_array_line(pool, line)
    data = POOL_STATE.write(state._replace(tick_array_bitmap=own), account.data)
    if dynamic is not None:
        data = DYNAMIC_FEE.write(dynamic, data)
    accounts = {pool: replace(account, data=data)}
    if extension is not None and extended is not None:
        rest = extension.data[len(extended) :]
        accounts[derive_extension_address(account.owner, pool)] = replace(
            extension, data=extended + rest
        )
    return accounts
