"""Random pools of one pair, of all programs, in states that swaps have left."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeVar

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM
from backend.venues.hosting import HostedPool
from backend.venues.pool_side import PoolSide
from backend.venues.spl import Clock, TransferFee
from backend.venues.venue import Pool

_SOL: Final = Pubkey.from_string("So11111111111111111111111111111111111111112")
_USDC: Final = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
_CLOCK: Final = Clock(slot=1_000, epoch=5, unix_time=1_790_000_000)
_PRICE: Final = 0.15
"""Base units of USDC for one of SOL."""
_FEES_E9: Final = (100_000, 500_000, 1_000_000, 2_500_000, 3_000_000, 5_000_000)
_SWAPS_MAX: Final = 4
_ARRAYS_MAX: Final = 5
_Array = TypeVar("_Array")
_CAPS_BPS: Final = (10, 100, 500)


@dataclass(frozen=True, slots=True)
class SplitCase:
    """Pools of a pair and an order; ``size`` is its share of what the pools hold of the token in.

    The amounts are in base units, the cost of a leg in those of the token out.
    """

    pools: tuple[Pool, ...]
    mint_in: Pubkey
    amount_in: int
    size: float
    legs_max: int
    leg_cost: int
    max_price_impact_bps: int | None


def draw_case(random: Random) -> SplitCase:
    """Draw two to eight pools, and an order of any size."""
    fee = _draw_transfer_fee(random)
    is_sale = random.choice((True, False))
    mint_in = _SOL if is_sale else _USDC
    deepest = _draw_log(random, 1e11, 1e15)
    pools: list[Pool] = []
    depth = 0
    for n in range(random.randint(2, 8)):
        amount = int(deepest * _draw_log(random, 1e-3, 1))
        price = _PRICE * random.gauss(1, 0.003)
        pool = _draw_pool(random, amount, max(int(amount * price), 1), n, fee)
        pool = _apply_swaps(random, pool, amount)
        pools.append(pool)
        depth += amount if is_sale else int(amount * price)
    size = _draw_log(random, 1e-6, 0.3)
    amount_in = max(int(depth * size), 1_000)
    leg_cost = random.choice((0, 0, int(amount_in * (_PRICE if is_sale else 1 / _PRICE) * 1e-5)))
    cap_bps = random.choice((None, None, None, random.choice(_CAPS_BPS)))
    legs_max = random.choice((2, 3, 4, 8))
    return SplitCase(tuple(pools), mint_in, amount_in, size, legs_max, leg_cost, cap_bps)


def _draw_log(random: Random, low: float, high: float) -> float:
    """A number whose magnitude is as likely to be any between the two."""
    exponent = random.uniform(0, 1)
    return low * math.pow(high / low, exponent)


def _draw_transfer_fee(random: Random) -> TransferFee | None:
    """Mostly none, as of most tokens."""
    return TransferFee(10**18, random.choice((10, 100))) if random.randint(1, 8) == 1 else None


def _draw_pool(
    random: Random, amount_a: int, amount_b: int, number: int, fee: TransferFee | None
) -> HostedPool:
    makers: list[Callable[[Random, int, int, TransferFee | None], HostedPool]] = [
        _make_cpmm,
        _make_damm_v2,
        _make_clmm,
        _make_dlmm,
    ]
    if fee is None:  # a pool of this program holds SPL tokens only
        makers.append(_make_amm_v4)
    pool = random.choice(makers)(random, amount_a, amount_b, fee)
    return replace(pool.with_clock(_CLOCK), address=Pubkey(bytes([number + 1] * 32)))  # type: ignore[type-var]


def _make_cpmm(random: Random, a: int, b: int, fee: TransferFee | None) -> HostedPool:
    pool = CPMM.create_pool(_SOL, _USDC, a, b, fee_e9=random.choice(_FEES_E9))
    return replace(pool, sides=_charge(pool.sides, fee))


def _make_damm_v2(random: Random, a: int, b: int, fee: TransferFee | None) -> HostedPool:
    pool = DAMM_V2.create_pool(_SOL, _USDC, a, b, fee_e9=random.choice(_FEES_E9))
    state = pool.pricing.state._replace(collect_fee_mode=random.choice((0, 1, 2)))
    pricing = replace(pool.pricing, state=state)
    return replace(pool, pricing=pricing, sides=_charge(pool.sides, fee))


def _make_clmm(random: Random, a: int, b: int, fee: TransferFee | None) -> HostedPool:
    pool = CLMM.create_pool(_SOL, _USDC, a, b, fee_e9=random.choice(_FEES_E9))
    arrays = _select_some(random, pool.arrays)
    return replace(pool, arrays=arrays, sides=_charge(pool.sides, fee))


def _make_dlmm(random: Random, a: int, b: int, fee: TransferFee | None) -> HostedPool:
    pool = DLMM.create_pool(_SOL, _USDC, a, b, fee_e9=random.choice(_FEES_E9))
    state = pool.state._replace(variable_fee_control=random.choice((0, 0, 7_500, 40_000)))
    arrays = _select_some(random, pool.arrays)
    sides = _charge(pool.sides, fee)
    return replace(pool, state=state, arrays=arrays, sides=sides)


def _make_amm_v4(random: Random, a: int, b: int, fee: TransferFee | None) -> HostedPool:
    assert fee is None
    return AMM_V4.create_pool(_SOL, _USDC, a, b, fee_e9=random.choice(_FEES_E9))


def _charge(sides: tuple[PoolSide, PoolSide], fee: TransferFee | None) -> tuple[PoolSide, PoolSide]:
    """The sides of a pool whose SOL is a token with this fee for transfers."""
    first, second = (replace(side, fee=fee) if side.mint == _SOL else side for side in sides)
    return first, second


def _select_some(random: Random, arrays: Mapping[int, _Array]) -> dict[int, _Array]:
    """The arrays that were read: all of them, or some about the price."""
    keys = sorted(arrays)
    count = random.choice((len(keys), len(keys), 3, _ARRAYS_MAX))
    middle = len(keys) // 2
    return {key: arrays[key] for key in keys[max(middle - count // 2, 0) : middle + count // 2 + 1]}


def _apply_swaps(random: Random, pool: HostedPool, amount: int) -> HostedPool:
    """The pool after some swaps in both directions, as far as it accepts them."""
    for _ in range(random.randint(0, _SWAPS_MAX)):
        mint = random.choice(pool.mints)
        share = _draw_log(random, 1e-6, 5e-3)
        value = amount * share if mint == _SOL else amount * share * _PRICE
        try:
            _, pool = pool.after_swap(mint, max(int(value), 1))
        except EngineError:
            continue
    return pool
