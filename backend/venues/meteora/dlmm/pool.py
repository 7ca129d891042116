"""A Meteora DLMM pair: its quotes, its state after a swap, and its swap instruction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import E9, Dex, Quote
from backend.venues.bit_line import BitLine
from backend.venues.curve_segment import CurveSegment
from backend.venues.meteora.dlmm.accounts import (
    NAME,
    PairState,
    derive_extension_address,
)
from backend.venues.meteora.dlmm.array_bins import ArrayBins, add_spare_arrays, change_bins
from backend.venues.meteora.dlmm.bin_array import (
    ARRAY_BINS,
    Bin,
    BinArray,
    derive_array_address,
)
from backend.venues.meteora.dlmm.bin_math import Q64, compute_bin_price
from backend.venues.meteora.dlmm.codec import (
    check_open,
    encode_pair_accounts,
    get_point,
    make_terms,
    move_state,
    read_traits,
)
from backend.venues.meteora.dlmm.fills import change_bin
from backend.venues.meteora.dlmm.instruction import build_swap
from backend.venues.meteora.dlmm.moves import move_price
from backend.venues.meteora.dlmm.swap import BinSwap, SwapStage, swap_exact_in, trace_curve
from backend.venues.pool_side import (
    PoolSide,
    PositionsPool,
    check_amount,
    check_balance,
    check_output,
    compute_kept_shares,
    compute_price_impact_e9,
    encode_clock_and_mints,
    move_to_epoch,
)
from backend.venues.spl import Clock
from backend.venues.venue import Account, Accounts, PoolTraits, SwapAccounts


@dataclass(frozen=True, slots=True)
class _Trade:
    bins: BinSwap
    received: int
    paid_out: int
    arrays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DlmmPool(PositionsPool):
    """A pair with its vaults, that of x first, and the bin arrays that were read, by their indexes.

    ``line`` says which arrays have liquidity. The accounts are as they were read.
    """

    is_single_curve: ClassVar[bool] = False
    address: Pubkey
    slot: int
    clock: Clock
    state: PairState
    sides: tuple[PoolSide, PoolSide]
    line: BitLine
    arrays: Mapping[int, BinArray]
    account: Account
    extension_account: Account | None = None
    _stages: dict[bool, list[SwapStage]] = field(
        init=False, default_factory=lambda: {True: [], False: []}, compare=False, repr=False
    )
    """What quotes have found of its bins, by whether token x is paid in."""

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The tokens x and y."""
        return self.state.mint_x, self.state.mint_y

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read reserve and age; what is locked of the liquidity is not known."""
        del accounts
        return read_traits(self.state, self.sides, self.clock, 0 if self._is_x(mint_in) else 1)

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints."""
        return self.sides[0 if self._is_x(mint) else 1].token_program

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """Quote what the pair pays.

        Raises ``Rejected`` if it would not swap, ``AccountsMissing`` if it needs other bin arrays.
        """
        swap_for_y = self._is_x(mint_in)
        trade = self._compute_trade(amount_in, swap_for_y)
        bins = trade.bins
        is_on_input = make_terms(self.state).fees.is_on_input(swap_for_y=swap_for_y)
        fees = (bins.fee, 0) if is_on_input else (0, bins.fee)
        net_in, gross_out = trade.received - fees[0], bins.amount_out + fees[1]
        at_spot, paid = net_in * bins.first_price, gross_out << 64
        if not swap_for_y:
            at_spot, paid = net_in << 64, gross_out * bins.first_price
        impact = compute_price_impact_e9(at_spot, paid)
        return Quote(
            Dex.METEORA,
            NAME,
            str(self.address),
            amount_in,
            trade.paid_out,
            bins.rate_e9,
            impact,
            self.slot,
            fees,
        )

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        """The price of the first bin that pays, less its fee.

        Raises ``Rejected`` (``no_liquidity``) and ``AccountsMissing``.
        """
        swap_for_y, terms = self._is_x(mint_in), make_terms(self.state)
        bin_id, found = self._make_source().find_next(
            terms.active_id, swap_for_y=swap_for_y, with_orders=terms.supports_orders
        )
        price = found.price or compute_bin_price(bin_id, self.state.bin_step)
        moved = terms.volatility.with_time(terms.active_id, self.clock.unix_time).with_bin(bin_id)
        kept = E9 - terms.fees.compute_rate_e9(moved)
        out, into = (price, Q64) if swap_for_y else (Q64, price)
        return PriceRatio(out * kept, into * E9)

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        """The bins, each at its price."""
        swap_for_y = self._is_x(mint_in)
        kept = compute_kept_shares(*(self.sides if swap_for_y else self.sides[::-1]))
        terms, source, now = make_terms(self.state), self._make_source(), self.clock.unix_time
        return trace_curve(terms, source, kept, swap_for_y=swap_for_y, now=now)

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Never said: what a unit costs jumps at every bin."""
        del mint_in
        return False

    def pays_at_least(self, other: DlmmPool, mint_in: Pubkey) -> bool:
        """Whether nothing differs that a quote depends on; otherwise that is not certain."""
        del mint_in
        return (
            replace(self, slot=other.slot, clock=other.clock) == other
            and self.state.variable_fee_control == 0
            and get_point(self.state, self.clock) >= get_point(other.state, other.clock)
            and all(side.fee is None for side in self.sides)
        )

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, DlmmPool]:
        """The amount paid out and the pair afterwards; raises as ``quote`` does.

        The price history is left as it is.
        """
        swap_for_y = self._is_x(mint_in)
        trade = self._compute_trade(amount_in, swap_for_y, has_fills=True)
        fees = make_terms(self.state).fees
        is_on_input = fees.is_on_input(swap_for_y=swap_for_y)
        splits = trade.bins.split_fees(fees)
        bins = {
            bin_id: change_bin(
                self._get_bin(bin_id),
                fill,
                splits[bin_id],
                swap_for_y=swap_for_y,
                is_fee_on_input=is_on_input,
            )
            for bin_id, fill in trade.bins.fills.items()
        }
        protocol_fee = sum(split.to_protocol for split in splits.values())
        is_on_x = swap_for_y and is_on_input
        changes = (trade.received, -trade.bins.amount_out)
        return trade.paid_out, replace(
            self,
            state=move_state(self.state, trade.bins, protocol_fee, is_fee_on_x=is_on_x),
            sides=self._change_balances(*(changes if swap_for_y else changes[::-1])),
            arrays=change_bins(self.arrays, bins),
        )

    def swap_instruction(
        self, trader: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """Build the instruction ``swap2`` for an exact input."""
        key = self.program, self.address
        extension = derive_extension_address(*key) if self.extension_account else None
        return build_swap(
            *key,
            self.state,
            self.sides,
            trader,
            (amount_in, min_amount_out),
            extension,
            self._list_remaining(amount_in, self._is_x(mint_in)),
        )

    def list_swap_accounts(self, mint_in: Pubkey, amount_in: int) -> Sequence[Pubkey]:
        """List the bin arrays that a swap reads."""
        trade = self._compute_trade(amount_in, self._is_x(mint_in))
        return [derive_array_address(self.program, self.address, index) for index in trade.arrays]

    def encode_accounts(self) -> dict[Pubkey, Account]:
        """Encode the pair, its vaults, its bitmap extension and its bin arrays as accounts."""
        return {
            **encode_pair_accounts(
                self.address, self.state, self.line, self.account, self.extension_account
            ),
            **{side.vault: side.encode_vault() for side in self.sides},
            **{
                derive_array_address(self.program, self.address, index): array.account
                for index, array in self.arrays.items()
            },
        }

    def encode_quote_accounts(self) -> Accounts:
        """Encode the accounts that a quote needs: its own, the clock, and mints with fees."""
        return {**self.encode_accounts(), **encode_clock_and_mints(self.clock, self.sides)}

    def with_price(self, mint: Pubkey, numerator: int, denominator: int) -> DlmmPool:
        """The pair after a move to the bin of the nearest price, as far as its bins reach."""
        assert numerator > 0
        assert denominator > 0
        if not self._is_x(mint):
            numerator, denominator = denominator, numerator
        move = move_price(self.state, self.arrays, numerator, denominator)
        return replace(
            self,
            state=self.state._replace(active_id=move.active_id),
            sides=self._change_balances(move.change_x, move.change_y),
            arrays=change_bins(self.arrays, move.bins),
        )

    def with_clock(self, clock: Clock) -> DlmmPool:
        """The same pair at another cluster time."""
        sides = move_to_epoch(self.sides, clock.epoch)
        return replace(self, clock=clock, sides=sides)

    def _compute_trade(
        self, amount_in: int, swap_for_y: bool, *, has_fills: bool = False
    ) -> _Trade:
        """The trade of an amount, with what each bin trades if ``has_fills``."""
        check_amount(amount_in)
        check_open(self.state, self.clock)
        side_in, side_out = self.sides if swap_for_y else self.sides[::-1]
        received = side_in.compute_received(amount_in)
        check_amount(received)
        check_balance(side_in.balance + received)
        terms, source, now = make_terms(self.state), self._make_source(), self.clock.unix_time
        stages = None if has_fills else self._stages[swap_for_y]
        bins = swap_exact_in(terms, source, received, swap_for_y=swap_for_y, now=now, stages=stages)
        paid_out = side_out.compute_received(bins.amount_out)
        check_output(paid_out)
        if bins.amount_out > side_out.balance:
            raise Rejected("no_liquidity", "the pool's vault does not hold enough")
        return _Trade(bins, received, paid_out, tuple(source.visited))

    def _make_source(self) -> ArrayBins:
        bounds = self.state.min_bin_id, self.state.max_bin_id
        return ArrayBins(self.program, self.address, bounds, self.line, self.arrays)

    def _list_remaining(self, amount_in: int, swap_for_y: bool) -> list[Pubkey]:
        """The accounts at the end of a swap: the arrays that it reads, and some to spare."""
        try:
            arrays = list(self._compute_trade(amount_in, swap_for_y).arrays)
        except Rejected:  # the program refuses it as well, whatever arrays it is given
            arrays = []
        arrays = add_spare_arrays(arrays, self.state.active_id, self.line, upwards=not swap_for_y)
        return [derive_array_address(self.program, self.address, index) for index in arrays]

    def _get_bin(self, bin_id: int) -> Bin:
        """A bin whose price is set."""
        found = self.arrays[bin_id // ARRAY_BINS].get_bin(bin_id)
        return found._replace(price=found.price or compute_bin_price(bin_id, self.state.bin_step))

    def _change_balances(self, change_x: int, change_y: int) -> tuple[PoolSide, PoolSide]:
        side_x, side_y = self.sides
        return side_x.with_balance_change(change_x), side_y.with_balance_change(change_y)

    def _is_x(self, mint: Pubkey) -> bool:
        if mint == self.state.mint_x:
            return True
        if mint == self.state.mint_y:
            return False
        raise Rejected("bad_pool", f"the pool {self.address} does not trade {mint}")
