"""A Raydium CLMM pool: its quotes, its state after a swap, and its swap instruction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Dex, Quote
from backend.venues.bit_line import BitLine
from backend.venues.curve_segment import CurveSegment
from backend.venues.pool_side import (
    PoolSide,
    PositionsPool,
    check_amount,
    check_balance,
    check_output,
    compute_kept_shares,
    encode_clock_and_mints,
    move_to_epoch,
)
from backend.venues.raydium.clmm.accounts import (
    ARRAY_TICKS,
    NAME,
    SWAP_DISABLED,
    AmmConfig,
    PoolState,
    compute_array_index,
    derive_extension_address,
)
from backend.venues.raydium.clmm.array_ticks import ArrayTicks, add_spare_arrays, change_ticks
from backend.venues.raydium.clmm.codec import (
    add_fees,
    encode_pool_accounts,
    make_curve,
    make_fee_terms,
    move_state,
    read_traits,
)
from backend.venues.raydium.clmm.fees import DynamicFee, FeeTerms
from backend.venues.raydium.clmm.instruction import build_swap
from backend.venues.raydium.clmm.prices import (
    compute_impact_e9,
    compute_marginal_price,
    find_sqrt_price,
    move_price,
    trace_curve,
)
from backend.venues.raydium.clmm.swap import Curve, CurveSwap, swap_exact_in
from backend.venues.raydium.clmm.tick_array import TickArray, derive_array_address
from backend.venues.spl import Clock
from backend.venues.venue import Account, Accounts, PoolTraits, SwapAccounts


@dataclass(frozen=True, slots=True)
class _Trade:
    index_in: int
    curve: CurveSwap
    received: int
    paid_out: int
    arrays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClmmPool(PositionsPool):
    """A pool with its config, its vaults and the tick arrays that were read, by their numbers.

    ``line`` says which arrays have initialized ticks. The accounts are as they were read.
    """

    is_single_curve: ClassVar[bool] = False
    address: Pubkey
    slot: int
    clock: Clock
    state: PoolState
    dynamic: DynamicFee | None
    config: AmmConfig
    sides: tuple[PoolSide, PoolSide]
    line: BitLine
    arrays: Mapping[int, TickArray]
    account: Account
    config_account: Account
    extension_account: Account | None = None

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The two tokens, ordered by their bytes."""
        return self.state.mint0, self.state.mint1

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read reserve and age; what is locked of the liquidity is not known."""
        del accounts
        return read_traits(self.state, self.sides, self.clock, self._find_index(mint_in))

    @property
    def curve(self) -> Curve:
        """The price and the liquidity at it."""
        return make_curve(self.state)

    @property
    def fees(self) -> FeeTerms:
        """The fees of a swap."""
        return make_fee_terms(self.state, self.config, self.dynamic)

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints."""
        return self.sides[self._find_index(mint)].token_program

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """Quote what the pool pays.

        Raises ``Rejected`` if it would not swap, ``AccountsMissing`` if it needs other tick arrays.
        """
        trade = self._compute_trade(mint_in, amount_in)
        curve, zero_for_one = trade.curve, trade.index_in == 0
        is_on_input = self.fees.is_on_input(zero_for_one=zero_for_one)
        fees = (curve.fee, 0) if is_on_input else (0, curve.fee)
        net_in, gross_out = trade.received - fees[0], curve.amount_out + fees[1]
        impact = compute_impact_e9(
            self.state.sqrt_price, net_in, gross_out, zero_for_one=zero_for_one
        )
        return Quote(
            Dex.RAYDIUM,
            NAME,
            str(self.address),
            amount_in,
            trade.paid_out,
            curve.rate_e9,
            impact,
            self.slot,
            fees,
        )

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        """The price less the fee now, where there is liquidity.

        Raises ``Rejected`` (``no_liquidity``) where there is none: a price is that of a quote then.
        """
        now, goes_down = self.clock.unix_time, self._find_index(mint_in) == 0
        return compute_marginal_price(self.curve, self.fees, now, zero_for_one=goes_down)

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        """The ranges between ticks, and the limit orders at them."""
        i = self._find_index(mint_in)
        kept = compute_kept_shares(self.sides[i], self.sides[1 - i])
        source, now = self._make_source(is_bounded=True), self.clock.unix_time
        return trace_curve(self.curve, self.fees, source, kept, zero_for_one=i == 0, now=now)

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Never said: what a unit costs bends at every tick."""
        del mint_in
        return False

    def pays_at_least(self, other: ClmmPool, mint_in: Pubkey) -> bool:
        """Whether nothing differs that a quote depends on; otherwise that is not certain."""
        del mint_in
        return (
            replace(self, slot=other.slot, clock=other.clock) == other
            and self.dynamic is None
            and self.clock.unix_time >= other.clock.unix_time
            and all(side.fee is None for side in self.sides)
        )

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, ClmmPool]:
        """The amount paid out and the pool afterwards; raises as ``quote`` does.

        Rewards of liquidity providers and the price history are left as they are.
        """
        trade = self._compute_trade(mint_in, amount_in)
        curve, zero_for_one = trade.curve, trade.index_in == 0
        is_on_token0 = self.fees.is_on_token0(zero_for_one=zero_for_one)
        state = add_fees(self.state, curve, is_on_token0=is_on_token0)
        changes = (trade.received, -curve.amount_out)
        return trade.paid_out, self._with_curve(
            state._replace(recent_epoch=self.clock.epoch),
            curve,
            changes if zero_for_one else changes[::-1],
        )

    def swap_instruction(
        self, trader: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """Build the instruction ``swap_v2`` for an exact input, without a limit of the price."""
        i = self._find_index(mint_in)
        return build_swap(
            self.program,
            self.address,
            self.state,
            (self.sides[i], self.sides[1 - i]),
            trader,
            (amount_in, min_amount_out),
            self._list_remaining(mint_in, amount_in),
        )

    def list_swap_accounts(self, mint_in: Pubkey, amount_in: int) -> Sequence[Pubkey]:
        """List the bitmap extension, if there is one, and the tick arrays that are read."""
        return self._list_addresses(self._compute_trade(mint_in, amount_in).arrays)

    def encode_accounts(self) -> dict[Pubkey, Account]:
        """Encode the pool, its config, its vaults, its bitmap extension and its tick arrays."""
        own = self.account, self.extension_account
        return {
            **encode_pool_accounts(self.address, self.state, self.dynamic, self.line, own),
            self.state.amm_config: self.config_account,
            **{side.vault: side.encode_vault() for side in self.sides},
            **{
                derive_array_address(self.program, self.address, array.start): array.account
                for array in self.arrays.values()
            },
        }

    def encode_quote_accounts(self) -> Accounts:
        """Encode the accounts that a quote needs: its own, the clock, and mints with fees."""
        return {**self.encode_accounts(), **encode_clock_and_mints(self.clock, self.sides)}

    def with_price(self, mint: Pubkey, numerator: int, denominator: int) -> ClmmPool:
        """The pool after a move along its curve, without fees, as far as its liquidity reaches."""
        assert numerator > 0
        assert denominator > 0
        if self._find_index(mint) == 1:
            numerator, denominator = denominator, numerator
        target = find_sqrt_price(numerator, denominator)
        source = self._make_source(is_bounded=False)
        move = move_price(self.curve, source, target, self.clock.unix_time)
        if move is None:
            return self
        changes = (move.amount_in, -move.amount_out)
        falls = target < self.state.sqrt_price
        return self._with_curve(self.state, move, changes if falls else changes[::-1])

    def with_clock(self, clock: Clock) -> ClmmPool:
        """The same pool at another cluster time."""
        sides = move_to_epoch(self.sides, clock.epoch)
        return replace(self, clock=clock, sides=sides)

    def _with_curve(self, state: PoolState, swap: CurveSwap, changes: tuple[int, int]) -> ClmmPool:
        """The pool with the price, the volatility and the ticks after a swap."""
        arrays, line = change_ticks(self.arrays, self.line, swap.ticks, state.tick_spacing)
        side0, side1 = self.sides
        return replace(
            self,
            state=move_state(state, swap.curve),
            dynamic=swap.dynamic if self.dynamic is not None else None,
            sides=(side0.with_balance_change(changes[0]), side1.with_balance_change(changes[1])),
            arrays=arrays,
            line=line,
        )

    def _find_index(self, mint: Pubkey) -> int:
        if mint not in self.mints:
            raise Rejected("bad_pool", f"the pool {self.address} does not trade {mint}")
        return 0 if mint == self.state.mint0 else 1

    def _make_source(self, *, is_bounded: bool) -> ArrayTicks:
        key, spacing = (self.program, self.address), self.state.tick_spacing
        return ArrayTicks(*key, spacing, self.line, self.arrays, is_bounded=is_bounded)

    def _compute_trade(self, mint_in: Pubkey, amount_in: int) -> _Trade:
        check_amount(amount_in)
        i = self._find_index(mint_in)
        if self.state.status & SWAP_DISABLED:
            raise Rejected("pool_disabled", "swaps are switched off in this pool")
        # The program compares strictly.
        if self.clock.unix_time <= self.state.open_time:
            raise Rejected("not_open", "the pool is not open yet")
        side_in, side_out = self.sides[i], self.sides[1 - i]
        received = side_in.compute_received(amount_in)
        check_amount(received)
        check_balance(side_in.balance + received)
        source = self._make_source(is_bounded=True)
        curve = swap_exact_in(
            self.curve, self.fees, source, received, zero_for_one=i == 0, now=self.clock.unix_time
        )
        if curve.amount_in != received:
            raise Rejected("amount_too_large", "the price would leave the range of the program")
        paid_out = side_out.compute_received(curve.amount_out)
        check_output(paid_out)
        if curve.amount_out > side_out.balance:
            raise Rejected("no_liquidity", "the pool's vault does not hold enough")
        return _Trade(i, curve, received, paid_out, tuple(source.visited))

    def _list_remaining(self, mint_in: Pubkey, amount_in: int) -> list[Pubkey]:
        """The accounts at the end of a swap: those that it reads, and some to spare."""
        upwards = self._find_index(mint_in) == 1
        try:
            arrays = list(self._compute_trade(mint_in, amount_in).arrays)
        except Rejected:  # the program refuses it as well, whatever arrays it is given
            arrays = []
        first = compute_array_index(self.state.tick, self.state.tick_spacing)
        return self._list_addresses(add_spare_arrays(arrays, first, self.line, upwards=upwards))

    def _list_addresses(self, arrays: Sequence[int]) -> list[Pubkey]:
        key, count = (self.program, self.address), self.state.tick_spacing * ARRAY_TICKS
        extension = [derive_extension_address(*key)] if self.extension_account else []
        return [*extension, *[derive_array_address(*key, n * count) for n in arrays]]
