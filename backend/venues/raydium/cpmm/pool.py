"""A Raydium CPMM pool: its quotes, its state after a swap, and its swap instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import E9, Dex, Quote
from backend.venues.curve_segment import CurveSegment
from backend.venues.pool_side import (
    OwnedPool,
    PoolSide,
    check_amount,
    check_balance,
    check_output,
    compute_burned_bps,
    compute_kept_shares,
    compute_price_impact_e9,
    encode_clock_and_mints,
    move_along_product,
    move_to_epoch,
)
from backend.venues.raydium.cpmm.accounts import (
    NAME,
    POOL_STATE,
    SWAP_DISABLED,
    AmmConfig,
    PoolState,
)
from backend.venues.raydium.cpmm.curve import RATE_ONE, CurveSwap, FeeRates, swap_exact_in
from backend.venues.raydium.cpmm.instruction import build_swap
from backend.venues.spl import Clock
from backend.venues.venue import Account, Accounts, PoolTraits, SwapAccounts


@dataclass(frozen=True, slots=True)
class _Direction:
    """One direction of trade: the inputs of a quote that do not depend on the amount."""

    index_in: int
    reserve_in: int
    reserve_out: int
    rates: FeeRates
    fee_e9: int


@dataclass(frozen=True, slots=True)
class _Trade:
    direction: _Direction
    curve: CurveSwap
    received: int
    paid_out: int


@dataclass(frozen=True, slots=True)
class CpmmPool(OwnedPool):
    """A pool with its config and vaults; ``account`` and ``config_account`` are as they were read.

    Raises ``Rejected`` (``bad_pool``) if the vaults hold less than the fees accrued in them.
    """

    is_single_curve: ClassVar[bool] = True
    address: Pubkey
    slot: int
    clock: Clock
    state: PoolState
    config: AmmConfig
    sides: tuple[PoolSide, PoolSide]
    account: Account
    config_account: Account
    _name: str = field(init=False, repr=False, compare=False)
    _directions: dict[Pubkey, _Direction] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        directions = {self.sides[i].mint: self._make_direction(i) for i in (0, 1)}
        object.__setattr__(self, "_name", str(self.address))
        object.__setattr__(self, "_directions", directions)

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The two tokens, ordered by their bytes."""
        return self.state.mint0, self.state.mint1

    @property
    def reserves(self) -> tuple[int, int]:
        """The reserves of the curve: the vault balances without the fees accrued in them."""
        s, (side0, side1) = self.state, self.sides
        return (
            side0.balance - s.protocol_fees0 - s.fund_fees0 - s.creator_fees0,
            side1.balance - s.protocol_fees1 - s.fund_fees1 - s.creator_fees1,
        )

    @property
    def lp_supply(self) -> int:
        """How many LP tokens the program has issued; who burns one does not tell the pool."""
        return self.state.lp_supply

    def list_trait_accounts(self) -> Sequence[Pubkey]:
        """List the mint of the LP tokens, whose supply shows what of them was burned."""
        return [self.state.lp_mint]

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read reserve, locked liquidity and age; LP tokens that were burned withdraw nothing."""
        reserve_in = self._find_direction(mint_in).reserve_in
        burned_bps = compute_burned_bps(accounts.get(self.state.lp_mint), self.state.lp_supply)
        return PoolTraits(reserve_in, burned_bps, self.clock.unix_time - self.state.open_time)

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints."""
        return self.sides[self._find_direction(mint).index_in].token_program

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """Quote what the pool pays; raises ``Rejected`` if it would not swap."""
        trade = self._compute_trade(mint_in, amount_in)
        direction, curve = trade.direction, trade.curve
        impact = compute_price_impact_e9(
            curve.net_in * direction.reserve_out, curve.gross_out * direction.reserve_in
        )
        return Quote(
            Dex.RAYDIUM,
            NAME,
            self._name,
            amount_in,
            trade.paid_out,
            direction.fee_e9,
            impact,
            self.slot,
            (curve.amount_in - curve.net_in, curve.gross_out - curve.amount_out),
        )

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        """The reserves' ratio less the fees; raises ``Rejected`` (``no_liquidity``)."""
        direction = self._find_direction(mint_in)
        if not direction.reserve_in or not direction.reserve_out:
            raise Rejected("no_liquidity", "the pool is empty")
        on_input, on_output = direction.rates.by_side
        kept = (RATE_ONE - on_input) * (RATE_ONE - on_output)
        return PriceRatio(direction.reserve_out * kept, direction.reserve_in * RATE_ONE * RATE_ONE)

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        """One piece without an end."""
        d = self._find_direction(mint_in)
        kept = compute_kept_shares(self.sides[d.index_in], self.sides[1 - d.index_in])
        return iter(d.rates.make_segments(d.reserve_in, d.reserve_out, kept))

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Whether every amount pays the same share: no token has a fee of its own."""
        del mint_in
        return all(side.fee is None for side in self.sides)

    def pays_at_least(self, other: CpmmPool, mint_in: Pubkey) -> bool:
        """Whether less lies on the side of the token in, more on the other, at the same fees.

        ⌊y · a / (x + a)⌋ falls with x and rises with y. Once it is open, its time does not matter.
        """
        ours, theirs = self._find_direction(mint_in), other._find_direction(mint_in)
        i = ours.index_in
        return (
            self.address == other.address
            and ours.rates == theirs.rates
            and self.has_flat_fee(mint_in)
            and other.has_flat_fee(mint_in)
            and self.state.status == other.state.status
            and self.state.open_time == other.state.open_time
            and self.clock.unix_time >= min(other.clock.unix_time, other.state.open_time)
            and 0 < ours.reserve_in <= theirs.reserve_in
            and ours.reserve_out >= theirs.reserve_out
            and self.sides[i].balance <= other.sides[i].balance
        )

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, CpmmPool]:
        """The amount paid out and the pool afterwards; raises as ``quote`` does."""
        trade = self._compute_trade(mint_in, amount_in)
        curve, s = trade.curve, self.state
        creator_in, creator_out = (
            (curve.creator_fee, 0)
            if trade.direction.rates.is_creator_on_input
            else (0, curve.creator_fee)
        )
        change_in, change_out = trade.received, -curve.amount_out
        if trade.direction.index_in == 0:
            state = s._replace(
                recent_epoch=self.clock.epoch,
                protocol_fees0=s.protocol_fees0 + curve.protocol_fee,
                fund_fees0=s.fund_fees0 + curve.fund_fee,
                creator_fees0=s.creator_fees0 + creator_in,
                creator_fees1=s.creator_fees1 + creator_out,
            )
            changes = (change_in, change_out)
        else:
            state = s._replace(
                recent_epoch=self.clock.epoch,
                protocol_fees1=s.protocol_fees1 + curve.protocol_fee,
                fund_fees1=s.fund_fees1 + curve.fund_fee,
                creator_fees1=s.creator_fees1 + creator_in,
                creator_fees0=s.creator_fees0 + creator_out,
            )
            changes = (change_out, change_in)
        after = CpmmPool(
            self.address,
            self.slot,
            self.clock,
            state,
            self.config,
            self._change_balances(*changes),
            self.account,
            self.config_account,
        )
        return trade.paid_out, after

    def swap_instruction(
        self, trader: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """Build the instruction ``swap_base_input``."""
        i = self._find_direction(mint_in).index_in
        sides, amounts = (self.sides[i], self.sides[1 - i]), (amount_in, min_amount_out)
        return build_swap(self.program, self.address, self.state, sides, trader, amounts)

    def list_swap_accounts(self, mint_in: Pubkey, amount_in: int) -> Sequence[Pubkey]:
        """None: every swap names the same accounts."""
        del mint_in, amount_in
        return ()

    def encode_accounts(self) -> dict[Pubkey, Account]:
        """Encode the pool, its config and its vaults as accounts."""
        data = POOL_STATE.write(self.state, self.account.data)
        return {
            self.address: replace(self.account, data=data),
            self.state.amm_config: self.config_account,
            **{side.vault: side.encode_vault() for side in self.sides},
        }

    def encode_quote_accounts(self) -> Accounts:
        """Encode the accounts that a quote needs: its own, the clock, and mints with fees."""
        return {**self.encode_accounts(), **encode_clock_and_mints(self.clock, self.sides)}

    def with_price(self, mint: Pubkey, numerator: int, denominator: int) -> CpmmPool:
        """The pool after a move along its curve."""
        assert numerator > 0
        assert denominator > 0
        i = self._find_direction(mint).index_in
        old = self.reserves
        x, y = move_along_product(old[i], old[1 - i], numerator, denominator)
        changes = (x - old[i], y - old[1 - i])
        return replace(self, sides=self._change_balances(*(changes if i == 0 else changes[::-1])))

    def with_clock(self, clock: Clock) -> CpmmPool:
        """The same pool at another cluster time."""
        return replace(self, clock=clock, sides=move_to_epoch(self.sides, clock.epoch))

    def _change_balances(self, change0: int, change1: int) -> tuple[PoolSide, PoolSide]:
        side0, side1 = self.sides
        return side0.with_balance_change(change0), side1.with_balance_change(change1)

    def _find_direction(self, mint_in: Pubkey) -> _Direction:
        direction = self._directions.get(mint_in)
        if direction is None:
            raise Rejected("bad_pool", f"the pool {self._name} does not trade {mint_in}")
        return direction

    def _make_direction(self, i: int) -> _Direction:
        reserves, config = self.reserves, self.config
        if min(reserves) < 0:
            raise Rejected("bad_pool", f"the pool {self.address} owes more than it holds")
        creator = config.creator_fee_rate if self.state.enable_creator_fee else 0
        rates = FeeRates(
            config.trade_fee_rate,
            creator,
            config.protocol_fee_rate,
            config.fund_fee_rate,
            is_creator_on_input=self.state.creator_fee_on in {0, i + 1},
        )
        fee_e9 = (rates.trade + rates.creator) * (E9 // RATE_ONE)
        return _Direction(i, reserves[i], reserves[1 - i], rates, fee_e9)

    def _compute_trade(self, mint_in: Pubkey, amount_in: int) -> _Trade:
        check_amount(amount_in)
        direction = self._find_direction(mint_in)
        if self.state.status & SWAP_DISABLED:
            raise Rejected("pool_disabled", "swaps are switched off in this pool")
        if self.clock.unix_time < self.state.open_time:
            raise Rejected("not_open", "the pool is not open yet")
        if not direction.reserve_in or not direction.reserve_out:
            raise Rejected("no_liquidity", "the pool is empty")
        side_in, side_out = self.sides[direction.index_in], self.sides[1 - direction.index_in]
        received = side_in.compute_received(amount_in)
        check_amount(received)
        check_balance(side_in.balance + received)
        curve = swap_exact_in(
            received, direction.reserve_in, direction.reserve_out, direction.rates
        )
        paid_out = side_out.compute_received(curve.amount_out)
        check_output(paid_out)
        return _Trade(direction, curve, received, paid_out)
