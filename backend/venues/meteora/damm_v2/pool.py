"""A Meteora DAMM v2 pool: its quotes, its state after a swap, and its swap instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import E9, Dex, Quote
from backend.venues.curve_segment import CurveSegment
from backend.venues.meteora.damm_v2.accounts import (
    BY_TIME,
    NAME,
    derive_authority,
    derive_event_authority,
)
from backend.venues.meteora.damm_v2.pricing import PoolPricing, Trade
from backend.venues.meteora.damm_v2.pricing_codec import write_pricing
from backend.venues.pool_side import (
    PoolSide,
    PositionsPool,
    check_amount,
    check_balance,
    check_output,
    compute_kept_shares,
    compute_locked_bps,
    compute_price_impact_e9,
    encode_clock_and_mints,
    move_to_epoch,
)
from backend.venues.spl import (
    INSTRUCTIONS_SYSVAR,
    Clock,
)
from backend.venues.venue import Account, Accounts, PoolTraits, SwapAccounts

SWAP2 = bytes.fromhex("414b3f4ceb5b5b88")
EXACT_IN = 0


@dataclass(frozen=True, slots=True)
class DammPool(PositionsPool):
    """A pool with its vaults, that of a first. ``account`` is as it was read."""

    is_single_curve: ClassVar[bool] = True
    address: Pubkey
    slot: int
    pricing: PoolPricing
    sides: tuple[PoolSide, PoolSide]
    account: Account
    _name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_name", str(self.address))

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The tokens a and b."""
        return self.sides[0].mint, self.sides[1].mint

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read reserve, locked liquidity and age, which is not known of one that opens by slot."""
        del accounts
        state, reserves = self.pricing.state, self.pricing.reserves()
        locked_bps = compute_locked_bps(state.permanent_lock_liquidity, state.liquidity)
        age_s = None
        if state.activation_type == BY_TIME:
            age_s = self.pricing.clock.unix_time - state.activation_point
        return PoolTraits(reserves[0 if self._is_a(mint_in) else 1], locked_bps, age_s)

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints."""
        return self.sides[0 if self._is_a(mint) else 1].token_program

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """Quote what the pool pays; raises ``Rejected`` if it would not swap."""
        sells_a = self._is_a(mint_in)
        trade, paid_out = self._compute_trade(amount_in, sells_a)
        spot_out, spot_in = self.pricing.spot_price(sells_a=sells_a)
        impact = compute_price_impact_e9(trade.net_in * spot_out, trade.gross_out * spot_in)
        return Quote(
            Dex.METEORA,
            NAME,
            self._name,
            amount_in,
            paid_out,
            trade.fee_e9,
            impact,
            self.slot,
            (trade.amount_in - trade.net_in, trade.gross_out - trade.amount_out),
        )

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        """The curve's price less the fee; raises ``Rejected`` (``no_liquidity``)."""
        sells_a = self._is_a(mint_in)
        spot_out, spot_in = self.pricing.spot_price(sells_a=sells_a)
        if not spot_out or not spot_in:
            raise Rejected("no_liquidity", "the pool is empty")
        fee_e9 = self.pricing.compute_fee_e9(1, sells_a=sells_a)
        return PriceRatio(spot_out * (E9 - fee_e9), spot_in * E9)

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        """One piece up to the end of the price range, or one for each rate of a limited fee."""
        sells_a = self._is_a(mint_in)
        kept = compute_kept_shares(*(self.sides if sells_a else self.sides[::-1]))
        return self.pricing.trace_curve(kept, sells_a=sells_a)

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Whether every amount pays the same share: no limiter, no token with a fee of its own."""
        return not self.pricing.is_rate_limited(sells_a=self._is_a(mint_in)) and all(
            side.fee is None for side in self.sides
        )

    def pays_at_least(self, other: DammPool, mint_in: Pubkey) -> bool:
        """Whether the price is no worse, on the same curve, and the fee is no higher."""
        sells_a = self._is_a(mint_in)
        side_in, side_out = self.sides if sells_a else self.sides[::-1]
        other_in, other_out = other.sides if sells_a else other.sides[::-1]
        return (
            self.address == other.address
            and self.has_flat_fee(mint_in)
            and other.has_flat_fee(mint_in)
            and side_in.balance <= other_in.balance
            and side_out.balance >= other_out.balance
            and self.pricing.pays_at_least(other.pricing, sells_a=sells_a)
        )

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, DammPool]:
        """The amount paid out and the pool afterwards; raises as ``quote`` does."""
        sells_a = self._is_a(mint_in)
        trade, paid_out = self._compute_trade(amount_in, sells_a)
        pricing = self.pricing.after_trade(trade, sells_a=sells_a)
        change_in, change_out = trade.amount_in, -trade.amount_out
        sides = (
            self._change_balances(change_in, change_out)
            if sells_a
            else self._change_balances(change_out, change_in)
        )
        return paid_out, DammPool(self.address, self.slot, pricing, sides, self.account)

    def swap_instruction(
        self, trader: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """Build the instruction ``swap2`` for an exact input, without a referrer."""
        sells_a = self._is_a(mint_in)
        program, (side_a, side_b) = self.program, self.sides
        keys = [
            AccountMeta(derive_authority(program), is_signer=False, is_writable=False),
            AccountMeta(self.address, is_signer=False, is_writable=True),
            AccountMeta(trader.account_in, is_signer=False, is_writable=True),
            AccountMeta(trader.account_out, is_signer=False, is_writable=True),
            AccountMeta(side_a.vault, is_signer=False, is_writable=True),
            AccountMeta(side_b.vault, is_signer=False, is_writable=True),
            AccountMeta(side_a.mint, is_signer=False, is_writable=False),
            AccountMeta(side_b.mint, is_signer=False, is_writable=False),
            AccountMeta(trader.owner, is_signer=True, is_writable=False),
            AccountMeta(side_a.token_program, is_signer=False, is_writable=False),
            AccountMeta(side_b.token_program, is_signer=False, is_writable=False),
            # The program's own address means "no referrer".
            AccountMeta(program, is_signer=False, is_writable=False),
            AccountMeta(derive_event_authority(program), is_signer=False, is_writable=False),
            AccountMeta(program, is_signer=False, is_writable=False),
        ]
        if self.pricing.is_rate_limited(sells_a=sells_a):
            # There the program checks for a second purchase in the same transaction.
            keys.append(AccountMeta(INSTRUCTIONS_SYSVAR, is_signer=False, is_writable=False))
        amounts = amount_in.to_bytes(8, "little") + min_amount_out.to_bytes(8, "little")
        return Instruction(program, SWAP2 + amounts + bytes([EXACT_IN]), keys)

    def list_swap_accounts(self, mint_in: Pubkey, amount_in: int) -> Sequence[Pubkey]:
        """None: every swap names the same accounts."""
        del mint_in, amount_in
        return ()

    def encode_accounts(self) -> dict[Pubkey, Account]:
        """Encode the pool and its vaults as accounts."""
        data = write_pricing(self.pricing, self.account.data)
        return {
            self.address: replace(self.account, data=data),
            **{side.vault: side.encode_vault() for side in self.sides},
        }

    def encode_quote_accounts(self) -> Accounts:
        """Encode the accounts that a quote needs: its own, the clock, and mints with fees."""
        return {**self.encode_accounts(), **encode_clock_and_mints(self.pricing.clock, self.sides)}

    def with_price(self, mint: Pubkey, numerator: int, denominator: int) -> DammPool:
        """The pool at another price within its range, with the same depth."""
        assert numerator > 0
        assert denominator > 0
        if not self._is_a(mint):
            numerator, denominator = denominator, numerator
        pricing = self.pricing.with_price(numerator, denominator)
        (old_a, old_b), (new_a, new_b) = self.pricing.reserves(), pricing.reserves()
        return replace(
            self, pricing=pricing, sides=self._change_balances(new_a - old_a, new_b - old_b)
        )

    def with_clock(self, clock: Clock) -> DammPool:
        """The same pool at another cluster time."""
        sides = move_to_epoch(self.sides, clock.epoch)
        return replace(self, pricing=replace(self.pricing, clock=clock), sides=sides)

    def _compute_trade(self, amount_in: int, sells_a: bool) -> tuple[Trade, int]:
        check_amount(amount_in)
        side_in, side_out = self.sides if sells_a else self.sides[::-1]
        received = side_in.compute_received(amount_in)
        check_amount(received)
        check_balance(side_in.balance + received)
        trade = self.pricing.compute_trade(received, sells_a=sells_a)
        paid_out = side_out.compute_received(trade.amount_out)
        check_output(paid_out)
        if trade.amount_out > side_out.balance:
            raise Rejected("no_liquidity", "the pool's vault does not hold enough")
        return trade, paid_out

    def _change_balances(self, change_a: int, change_b: int) -> tuple[PoolSide, PoolSide]:
        side_a, side_b = self.sides
        return side_a.with_balance_change(change_a), side_b.with_balance_change(change_b)

    def _is_a(self, mint: Pubkey) -> bool:
        if mint == self.sides[0].mint:
            return True
        if mint == self.sides[1].mint:
            return False
        raise Rejected("bad_pool", f"the pool {self._name} does not trade {mint}")
