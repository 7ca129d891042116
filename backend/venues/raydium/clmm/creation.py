"""Creates pools with the accounts of real ones, for the simulated chain.

Half of a pool's liquidity is there at all prices, the rest in ever wider ranges about its first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX, ceil_div
from backend.venues.bit_line import BitLine
from backend.venues.pool_side import PoolSide, create_pool_side
from backend.venues.raydium.clmm.accounts import (
    AMM_CONFIG,
    ARRAY_TICKS,
    POOL_STATE,
    AmmConfig,
    PoolState,
    compute_array_index,
    derive_config_address,
    derive_observation_address,
    derive_vault_address,
    make_array_line,
    needs_extension,
    sort_mints,
    write_array_line,
)
from backend.venues.raydium.clmm.pool import ClmmPool
from backend.venues.raydium.clmm.prices import find_sqrt_price
from backend.venues.raydium.clmm.swap import Curve
from backend.venues.raydium.clmm.tick_array import Tick, TickArray, create_tick_array
from backend.venues.raydium.clmm.tick_math import MAX_TICK, compute_sqrt_price, compute_tick
from backend.venues.spl import Clock, make_account
from backend.venues.venue import Account

_TICK_SPACING: Final = 1
_PROTOCOL_RATE: Final = 120_000
_FUND_RATE: Final = 40_000
_DECIMALS: Final = 9
_CONFIG_INDEX_MAX: Final = 2**16 - 1
_WIDTHS: Final = (120, 240, 480, 960)
"""How far the ranges reach from the price on either side, in ticks."""


@dataclass(frozen=True, slots=True)
class Position:
    """Liquidity between two ticks."""

    low: int
    high: int
    liquidity: int


def plan_positions(tick: int, tick_spacing: int, liquidity: int) -> list[Position]:
    """Plan the positions that together have this liquidity at ``tick``."""
    end = MAX_TICK // tick_spacing * tick_spacing
    share = liquidity // (2 * len(_WIDTHS))
    ranges = [
        (
            max((tick - width) // tick_spacing * tick_spacing, -end),
            min(-(-(tick + width) // tick_spacing) * tick_spacing, end),
        )
        for width in _WIDTHS
    ]
    narrow = [Position(low, high, share) for low, high in ranges if share]
    rest = liquidity - share * len(narrow)
    return [Position(-end, end, rest), *narrow]


def collect_ticks(positions: Iterable[Position]) -> dict[int, Tick]:
    """Collect the ticks at which positions begin and end."""
    ticks: dict[int, Tick] = {}
    for position in positions:
        for n, net in ((position.low, position.liquidity), (position.high, -position.liquidity)):
            tick = ticks.get(n, Tick(n))
            ticks[n] = tick._replace(
                liquidity_net=tick.liquidity_net + net,
                liquidity_gross=tick.liquidity_gross + position.liquidity,
            )
    return ticks


def compute_deposit(positions: Iterable[Position], sqrt_price: int) -> tuple[int, int]:
    """Compute the amounts of both tokens that back positions at a √price, rounded up."""
    amount0 = amount1 = 0
    for position in positions:
        low, high = compute_sqrt_price(position.low), compute_sqrt_price(position.high)
        at = min(max(sqrt_price, low), high)
        amount0 += ceil_div(position.liquidity * (high - at) << 64, high * at)
        amount1 += ceil_div(position.liquidity * (at - low), 1 << 64)
    return amount0, amount1


def create_pool(
    program: Pubkey,
    address: Pubkey,
    amounts: Mapping[Pubkey, int],
    config: AmmConfig,
    open_time: int,
    mints: Mapping[Pubkey, Account],
) -> ClmmPool:
    """Create a pool of two tokens with the depth of these reserves.

    ``mints`` has the accounts of the tokens of Token-2022. Raises ``ValueError`` if the price is
    out of range, or a vault cannot hold its tokens.
    """
    mint0, mint1 = sort_mints(*amounts)
    sqrt_price = find_sqrt_price(amounts[mint1], amounts[mint0])
    liquidity = isqrt(amounts[mint0] * amounts[mint1])
    positions = plan_positions(compute_tick(sqrt_price), _TICK_SPACING, liquidity)
    deposit = compute_deposit(positions, sqrt_price)
    if max(deposit) > U64_MAX:
        raise ValueError("the reserves of this price do not fit 64 bits")
    arrays, line = _create_arrays(program, address, collect_ticks(positions).values())
    own, extension = write_array_line(address, line)
    side0, side1 = (
        create_pool_side(mint, derive_vault_address(program, address, mint), address, amount, mints)
        for mint, amount in zip((mint0, mint1), deposit, strict=True)
    )
    curve = Curve(sqrt_price, compute_tick(sqrt_price), liquidity, _TICK_SPACING, 0, 0)
    state = _create_state(program, address, (side0, side1), config.index, curve, own, open_time)
    return ClmmPool(
        address,
        0,
        Clock(),
        state,
        None,
        config,
        (side0, side1),
        line,
        arrays,
        make_account(program, POOL_STATE.write(state)),
        make_account(program, AMM_CONFIG.write(config)),
        None if extension is None else make_account(program, extension),
    )


def _create_state(
    program: Pubkey,
    pool: Pubkey,
    sides: tuple[PoolSide, PoolSide],
    config_index: int,
    curve: Curve,
    array_bitmap: int,
    open_time: int,
) -> PoolState:
    side0, side1 = sides
    return PoolState(
        bump=255,
        amm_config=derive_config_address(program, config_index),
        owner=pool,
        mint0=side0.mint,
        mint1=side1.mint,
        vault0=side0.vault,
        vault1=side1.vault,
        observation=derive_observation_address(program, pool),
        decimals0=_DECIMALS,
        decimals1=_DECIMALS,
        tick_spacing=_TICK_SPACING,
        liquidity=curve.liquidity,
        sqrt_price=curve.sqrt_price,
        tick=curve.tick,
        tick_array_bitmap=array_bitmap,
        open_time=open_time,
    )


def create_config(program: Pubkey, index: int, trade_fee_rate: int) -> AmmConfig:
    """Create a fee configuration. Raises ``ValueError`` if there is none with that index."""
    if index > _CONFIG_INDEX_MAX:
        raise ValueError(f"such a pool's fee is at most {_CONFIG_INDEX_MAX} parts per million")
    return AmmConfig(
        bump=255,
        index=index,
        owner=program,
        protocol_fee_rate=_PROTOCOL_RATE,
        trade_fee_rate=trade_fee_rate,
        tick_spacing=_TICK_SPACING,
        fund_fee_rate=_FUND_RATE,
    )


def _create_arrays(
    program: Pubkey, pool: Pubkey, ticks: Iterable[Tick]
) -> tuple[dict[int, TickArray], BitLine]:
    by_array: dict[int, list[Tick]] = {}
    for tick in ticks:
        by_array.setdefault(compute_array_index(tick.tick, _TICK_SPACING), []).append(tick)
    arrays = {
        index: create_tick_array(
            program, pool, index * ARRAY_TICKS * _TICK_SPACING, _TICK_SPACING, group
        )
        for index, group in by_array.items()
    }
    return arrays, make_array_line(list(arrays), with_extension=needs_extension(_TICK_SPACING))
