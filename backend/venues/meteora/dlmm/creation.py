"""Creates pairs with the accounts of real ones, for the simulated chain."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX, floor_div
from backend.venues.meteora.dlmm.accounts import (
    ACTIVATED_PAIR_TYPES,
    DEFAULT_BIN_STEP,
    FEE_ON_INPUT,
    FLAGGED_TOKEN_PROGRAMS,
    FUNCTION_LIMIT_ORDERS,
    PAIR_STATE,
    PairState,
    derive_oracle_address,
    derive_vault_address,
    make_array_line,
    write_array_line,
)
from backend.venues.meteora.dlmm.bin_array import ARRAY_BINS, Bin, create_bin_array
from backend.venues.meteora.dlmm.bin_math import compute_bin_price, find_bin
from backend.venues.meteora.dlmm.pool import DlmmPool
from backend.venues.pool_side import PoolSide, create_pool_side
from backend.venues.spl import Clock, make_account
from backend.venues.venue import Account

_ARRAYS_EACH_WAY: Final = 4
"""At a bin step of 10 basis points the bins reach about a quarter of the price either way."""
_MAX_BIN_ID: Final = 44_363
_PROTOCOL_SHARE_BPS: Final = 500
_FILTER_PERIOD_S: Final = 30
_DECAY_PERIOD_S: Final = 600
_REDUCTION_BPS: Final = 5_000
_MAX_ACCUMULATOR: Final = 350_000
_BY_TIME: Final = 1


def create_pool(
    program: Pubkey,
    address: Pubkey,
    amounts: Mapping[Pubkey, int],
    base_factor: int,
    open_time: int,
    mints: Mapping[Pubkey, Account],
) -> DlmmPool:
    """Create a pair with the depth of the reserves ``amounts``, of x first.

    ``mints`` has the accounts of the tokens of Token-2022. Raises ``ValueError`` if the price is
    out of range or a vault cannot hold its tokens.
    """
    (mint_x, amount_x), (mint_y, amount_y) = amounts.items()
    price = floor_div(amount_y << 64, amount_x)
    active_id = find_bin(price, DEFAULT_BIN_STEP, -_MAX_BIN_ID, _MAX_BIN_ID)
    bins = _create_bins(active_id, isqrt(amount_x * amount_y))
    balances = (
        sum(each.amount_x for array in bins.values() for each in array.values()),
        sum(each.amount_y for array in bins.values() for each in array.values()),
    )
    if not all(0 < balance <= U64_MAX for balance in balances):
        raise ValueError("the reserves of this price do not fit 64 bits")
    side_x, side_y = (
        create_pool_side(
            mint, derive_vault_address(program, address, mint), address, balance, mints
        )
        for mint, balance in zip((mint_x, mint_y), balances, strict=True)
    )
    line = make_array_line(list(bins))
    own, _ = write_array_line(address, line)
    state = _create_state(
        program, address, (side_x, side_y), active_id, base_factor, own, open_time
    )
    arrays = {index: create_bin_array(program, address, index, bins[index]) for index in bins}
    account = make_account(program, PAIR_STATE.write(state))
    return DlmmPool(address, 0, Clock(), state, (side_x, side_y), line, arrays, account)


def _create_bins(active_id: int, liquidity: int) -> dict[int, dict[int, Bin]]:
    """The bins about the active one, by array and id."""
    middle = active_id // ARRAY_BINS
    first = max(middle - _ARRAYS_EACH_WAY, -_MAX_BIN_ID // ARRAY_BINS + 1)
    last = min(middle + _ARRAYS_EACH_WAY, _MAX_BIN_ID // ARRAY_BINS - 1)
    return {
        index: {
            bin_id: _create_bin(bin_id, active_id, liquidity)
            for bin_id in range(index * ARRAY_BINS, (index + 1) * ARRAY_BINS)
        }
        for index in range(first, last + 1)
    }


def _create_bin(bin_id: int, active_id: int, liquidity: int) -> Bin:
    """A bin with what x · y = liquidity² would trade between its price and the next one."""
    price, above = (compute_bin_price(each, DEFAULT_BIN_STEP) for each in (bin_id, bin_id + 1))
    roots = isqrt(price << 64), isqrt(above << 64)
    value_y = liquidity * (roots[1] - roots[0]) >> 64
    value_x = floor_div(value_y << 64, price)
    amount_x = value_x if bin_id > active_id else value_x // 2 if bin_id == active_id else 0
    amount_y = value_y if bin_id < active_id else value_y // 2 if bin_id == active_id else 0
    return Bin(
        amount_x=min(amount_x, U64_MAX),
        amount_y=min(amount_y, U64_MAX),
        price=price,
        liquidity_supply=value_y << 64,
    )


def _create_state(
    program: Pubkey,
    pool: Pubkey,
    sides: tuple[PoolSide, PoolSide],
    active_id: int,
    base_factor: int,
    array_bitmap: int,
    open_time: int,
) -> PairState:
    side_x, side_y = sides
    return PairState(
        base_factor=base_factor,
        filter_period=_FILTER_PERIOD_S,
        decay_period=_DECAY_PERIOD_S,
        reduction=_REDUCTION_BPS,
        variable_fee_control=0,
        max_accumulator=_MAX_ACCUMULATOR,
        min_bin_id=-_MAX_BIN_ID,
        max_bin_id=_MAX_BIN_ID,
        protocol_share=_PROTOCOL_SHARE_BPS,
        base_fee_power=0,
        function_type=FUNCTION_LIMIT_ORDERS,
        collect_fee_mode=FEE_ON_INPUT,
        pair_type=max(ACTIVATED_PAIR_TYPES) if open_time else 0,
        active_id=active_id,
        bin_step=DEFAULT_BIN_STEP,
        status=0,
        activation_type=_BY_TIME,
        mint_x=side_x.mint,
        mint_y=side_y.mint,
        vault_x=side_x.vault,
        vault_y=side_y.vault,
        oracle=derive_oracle_address(program, pool),
        bin_array_bitmap=array_bitmap,
        activation_point=open_time,
        index_reference=active_id,
        token_flag_x=FLAGGED_TOKEN_PROGRAMS.index(side_x.token_program),
        token_flag_y=FLAGGED_TOKEN_PROGRAMS.index(side_y.token_program),
    )
