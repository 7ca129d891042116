"""Reads, changes and writes a pair's own account with its bitmaps, which lie in two accounts."""

from __future__ import annotations

from dataclasses import replace

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.bit_line import BitLine
from backend.venues.meteora.dlmm.accounts import (
    ACTIVATED_PAIR_TYPES,
    ACTIVATION_BY_SLOT,
    FEE_ON_INPUT,
    FEE_ON_Y,
    FLAGGED_TOKEN_PROGRAMS,
    PAIR_STATE,
    STATUS_ENABLED,
    PairState,
    derive_extension_address,
    read_array_line,
    write_array_line,
)
from backend.venues.meteora.dlmm.fees import FeeTerms, Volatility
from backend.venues.meteora.dlmm.swap import BinSwap, PairTerms
from backend.venues.pool_side import PoolSide
from backend.venues.spl import Clock
from backend.venues.venue import Account, PoolTraits


def read_pair_state(program: Pubkey, pool: Pubkey, account: Account) -> PairState:
    """Read a pair's own account; raises ``Rejected`` (``bad_pool``)."""
    if account.owner != program:
        raise Rejected("bad_pool", f"{pool} does not belong to Meteora's DLMM program")
    state = PAIR_STATE.read(account.data)
    if state.collect_fee_mode not in {FEE_ON_INPUT, FEE_ON_Y}:
        raise Rejected("bad_pool", f"the pool {pool} has a fee mode that is not known")
    if max(state.token_flag_x, state.token_flag_y) >= len(FLAGGED_TOKEN_PROGRAMS):
        raise Rejected("bad_pool", f"the pool {pool} has a token program that is not known")
    if not state.bin_step:
        raise Rejected("bad_pool", f"the pool {pool} has no bin step")
    return state


def read_line(
    program: Pubkey, pool: Pubkey, state: PairState, extension: Account | None
) -> BitLine:
    """Read which bin arrays have liquidity; raises ``Rejected`` (``bad_pool``)."""
    if extension is not None and extension.owner != program:
        raise Rejected("bad_pool", f"the bitmap extension of the pool {pool} is not the program's")
    return read_array_line(
        pool, state.bin_array_bitmap, None if extension is None else extension.data
    )


def make_terms(s: PairState) -> PairTerms:
    """What a pair's swaps depend on besides its bins."""
    base_e9 = s.base_factor * s.bin_step * 10 * 10**s.base_fee_power
    volatility = Volatility(
        s.filter_period,
        s.decay_period,
        s.reduction,
        s.variable_fee_control,
        s.max_accumulator,
        s.accumulator,
        s.reference,
        s.index_reference,
        s.last_update,
    )
    fees = FeeTerms(base_e9, s.bin_step, s.protocol_share, s.collect_fee_mode == FEE_ON_Y)
    return PairTerms(s.active_id, fees, volatility, s.supports_orders)


def move_state(s: PairState, swap: BinSwap, protocol_fee: int, *, is_fee_on_x: bool) -> PairState:
    """The state of a pair after a swap."""
    volatility = swap.volatility
    return s._replace(
        active_id=swap.active_id,
        accumulator=volatility.accumulator,
        reference=volatility.reference,
        index_reference=volatility.index_reference,
        last_update=volatility.last_update,
        protocol_fee_x=s.protocol_fee_x + (protocol_fee if is_fee_on_x else 0),
        protocol_fee_y=s.protocol_fee_y + (0 if is_fee_on_x else protocol_fee),
    )


def read_traits(
    s: PairState, sides: tuple[PoolSide, PoolSide], clock: Clock, index_in: int
) -> PoolTraits:
    """Read the reserve of a token, without the protocol's fees in its vault, and the age.

    What is locked are positions, of which a pair has no list. A pair that opened when it was made,
    or that opens by slot, does not show when that is.
    """
    is_known = s.activation_point and s.activation_type != ACTIVATION_BY_SLOT
    age_s = clock.unix_time - s.activation_point if is_known else None
    owed = (s.protocol_fee_x, s.protocol_fee_y)[index_in]
    return PoolTraits(sides[index_in].balance - owed, None, age_s)


def check_open(s: PairState, clock: Clock) -> None:
    """Raise ``Rejected`` (``pool_disabled``, ``not_open``) unless a pair swaps now."""
    if s.status != STATUS_ENABLED:
        raise Rejected("pool_disabled", "the pool is switched off")
    if s.pair_type in ACTIVATED_PAIR_TYPES and get_point(s, clock) < s.activation_point:
        raise Rejected("not_open", "the pool is not open yet")


def get_point(s: PairState, clock: Clock) -> int:
    """The time or the slot, whichever the pair opens by."""
    return clock.slot if s.activation_type == ACTIVATION_BY_SLOT else clock.unix_time


def encode_pair_accounts(
    pool: Pubkey, state: PairState, line: BitLine, account: Account, extension: Account | None
) -> dict[Pubkey, Account]:
    """Encode a pair's own account and its bitmap extension, over what was read."""
    own, extended = write_array_line(pool, line)
    data = PAIR_STATE.write(state._replace(bin_array_bitmap=own), account.data)
    accounts = {pool: replace(account, data=data)}
    if extension is not None and extended is not None:
        rest = extension.data[len(extended) :]
        accounts[derive_extension_address(account.owner, pool)] = replace(
            extension, data=extended + rest
        )
    return accounts
