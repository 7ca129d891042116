"""A Raydium AMM v4 pool: its quotes, its state after a swap, and its swap instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.amounts import ceil_div
from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import E9, Dex, Quote
from backend.venues.curve_segment import CurveSegment, KeptShares
from backend.venues.pool_side import (
    OwnedPool,
    PoolSide,
    check_amount,
    check_balance,
    check_output,
    compute_burned_bps,
    compute_price_impact_e9,
    encode_clock_and_mints,
    move_along_product,
)
from backend.venues.raydium.amm_v4.accounts import (
    NAME,
    POOL_STATE,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
    SWAPPABLE_STATUSES,
    PoolState,
    derive_authority,
)
from backend.venues.raydium.amm_v4.curve import CurveSwap, FeeRate, swap_exact_in
from backend.venues.spl import TOKEN_PROGRAM, Clock
from backend.venues.venue import Account, Accounts, PoolTraits, SwapAccounts

SWAP_BASE_IN_V2: Final = 16
"""The first byte of the instruction that needs no accounts of an order book."""


@dataclass(frozen=True, slots=True)
class AmmV4Pool(OwnedPool):
    """A pool with its vaults, that of the coin first; ``account`` is as it was read.

    Raises ``Rejected`` (``bad_pool``) if the vaults hold less than the pool owes.
    """

    is_single_curve: ClassVar[bool] = True
    address: Pubkey
    slot: int
    clock: Clock
    state: PoolState
    sides: tuple[PoolSide, PoolSide]
    account: Account
    _name: str = field(init=False, repr=False, compare=False)
    _rate: FeeRate = field(init=False, repr=False, compare=False)
    _fee_e9: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        s = self.state
        if min(self.reserves) < 0:
            raise Rejected("bad_pool", f"the pool {self.address} owes more than it holds")
        object.__setattr__(self, "_name", str(self.address))
        object.__setattr__(self, "_rate", FeeRate(s.swap_fee_numerator, s.swap_fee_denominator))
        fee_e9 = ceil_div(s.swap_fee_numerator * E9, s.swap_fee_denominator)
        object.__setattr__(self, "_fee_e9", fee_e9)

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The coin and the pc."""
        return self.state.coin_mint, self.state.pc_mint

    @property
    def reserves(self) -> tuple[int, int]:
        """The reserves of the curve: the vault balances without the profit that is owed."""
        coin, pc = self.sides
        return (
            coin.balance - self.state.need_take_pnl_coin,
            pc.balance - self.state.need_take_pnl_pc,
        )

    @property
    def lp_supply(self) -> int:
        """How many LP tokens the program has issued; who burns one does not tell the pool."""
        return self.state.lp_amount

    def list_trait_accounts(self) -> Sequence[Pubkey]:
        """List the mint of the LP tokens, whose supply shows what of them was burned."""
        return [self.state.lp_mint]

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read reserve, locked liquidity and age; LP tokens that were burned withdraw nothing.

        The program keeps the time of opening that it was given, which may be 0: no age is known.
        """
        reserve_in = self.reserves[self._find_index(mint_in)]
        burned_bps = compute_burned_bps(accounts.get(self.state.lp_mint), self.state.lp_amount)
        opened = self.state.open_time
        return PoolTraits(reserve_in, burned_bps, self.clock.unix_time - opened if opened else None)

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints: always that of SPL tokens."""
        self._find_index(mint)
        return TOKEN_PROGRAM

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """Quote what the pool pays; raises ``Rejected`` if it would not swap."""
        i = self._find_index(mint_in)
        swap = self._compute_swap(i, amount_in)
        reserve_in, reserve_out = self.reserves[i], self.reserves[1 - i]
        impact = compute_price_impact_e9(
            (amount_in - swap.fee) * reserve_out, swap.amount_out * reserve_in
        )
        return Quote(
            Dex.RAYDIUM,
            NAME,
            self._name,
            amount_in,
            swap.amount_out,
            self._fee_e9,
            impact,
            self.slot,
            (swap.fee, 0),
        )

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        """The reserves' ratio less the fee; raises ``Rejected`` (``no_liquidity``)."""
        i = self._find_index(mint_in)
        reserve_in, reserve_out = self.reserves[i], self.reserves[1 - i]
        if not reserve_in or not reserve_out:
            raise Rejected("no_liquidity", "the pool is empty")
        rate = self._rate
        return PriceRatio(
            reserve_out * (rate.denominator - rate.numerator), reserve_in * rate.denominator
        )

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        """One piece without an end."""
        i, rate = self._find_index(mint_in), self._rate
        reserve_in, reserve_out = float(self.reserves[i]), float(self.reserves[1 - i])
        if reserve_in and reserve_out:
            yield CurveSegment(
                reserve_in, reserve_out, KeptShares(1 - rate.numerator / rate.denominator)
            )

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Always: the fee is one share of the input, and SPL tokens have no fee of their own."""
        del mint_in
        return True

    def pays_at_least(self, other: AmmV4Pool, mint_in: Pubkey) -> bool:
        """Whether less lies on the side of the token in, more on the other, at the same fee.

        ⌊y · a / (x + a)⌋ falls with x and rises with y.
        """
        i = self._find_index(mint_in)
        ours, theirs = self.reserves, other.reserves
        return (
            self.address == other.address
            and self._rate == other._rate
            and self.state.status == other.state.status
            and self.state.open_time == other.state.open_time
            and self.clock.unix_time >= min(other.clock.unix_time, other.state.open_time)
            and 0 < ours[i] <= theirs[i]
            and ours[1 - i] >= theirs[1 - i]
            and self.sides[i].balance <= other.sides[i].balance
        )

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, AmmV4Pool]:
        """The amount paid out and the pool afterwards; raises as ``quote`` does."""
        i = self._find_index(mint_in)
        swap = self._compute_swap(i, amount_in)
        s = self.state
        # The program ends the waiting with the first swap.
        status = STATUS_SWAP_ONLY if s.status == STATUS_WAITING_TRADE else s.status
        if i == 0:
            state = s._replace(
                status=status,
                coin_in=s.coin_in + amount_in,
                pc_out=s.pc_out + swap.amount_out,
                coin_fee=s.coin_fee + swap.fee,
            )
            sides = self._change_balances(amount_in, -swap.amount_out)
        else:
            state = s._replace(
                status=status,
                pc_in=s.pc_in + amount_in,
                coin_out=s.coin_out + swap.amount_out,
                pc_fee=s.pc_fee + swap.fee,
            )
            sides = self._change_balances(-swap.amount_out, amount_in)
        after = AmmV4Pool(self.address, self.slot, self.clock, state, sides, self.account)
        return swap.amount_out, after

    def swap_instruction(
        self, trader: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """Build the instruction ``SwapBaseInV2``; the trader's accounts give the direction."""
        self._find_index(mint_in)
        authority, _ = derive_authority(self.program)
        keys = [
            AccountMeta(TOKEN_PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(self.address, is_signer=False, is_writable=True),
            AccountMeta(authority, is_signer=False, is_writable=False),
            AccountMeta(self.state.coin_vault, is_signer=False, is_writable=True),
            AccountMeta(self.state.pc_vault, is_signer=False, is_writable=True),
            AccountMeta(trader.account_in, is_signer=False, is_writable=True),
            AccountMeta(trader.account_out, is_signer=False, is_writable=True),
            AccountMeta(trader.owner, is_signer=True, is_writable=False),
        ]
        amounts = amount_in.to_bytes(8, "little") + min_amount_out.to_bytes(8, "little")
        return Instruction(self.program, bytes([SWAP_BASE_IN_V2]) + amounts, keys)

    def list_swap_accounts(self, mint_in: Pubkey, amount_in: int) -> Sequence[Pubkey]:
        """None: every swap names the same accounts."""
        del mint_in, amount_in
        return ()

    def encode_accounts(self) -> dict[Pubkey, Account]:
        """Encode the pool and its vaults as accounts."""
        data = POOL_STATE.write(self.state, self.account.data)
        return {
            self.address: replace(self.account, data=data),
            **{side.vault: side.encode_vault() for side in self.sides},
        }

    def encode_quote_accounts(self) -> Accounts:
        """Encode the accounts that a quote needs: its own and the clock."""
        return {**self.encode_accounts(), **encode_clock_and_mints(self.clock, ())}

    def with_price(self, mint: Pubkey, numerator: int, denominator: int) -> AmmV4Pool:
        """The pool after a move along its curve."""
        assert numerator > 0
        assert denominator > 0
        i = self._find_index(mint)
        old = self.reserves
        x, y = move_along_product(old[i], old[1 - i], numerator, denominator)
        changes = (x - old[i], y - old[1 - i])
        return replace(self, sides=self._change_balances(*(changes if i == 0 else changes[::-1])))

    def with_clock(self, clock: Clock) -> AmmV4Pool:
        """The same pool at another cluster time."""
        return replace(self, clock=clock)

    def _change_balances(self, coin: int, pc: int) -> tuple[PoolSide, PoolSide]:
        side_coin, side_pc = self.sides
        return side_coin.with_balance_change(coin), side_pc.with_balance_change(pc)

    def _find_index(self, mint: Pubkey) -> int:
        if mint == self.state.coin_mint:
            return 0
        if mint == self.state.pc_mint:
            return 1
        raise Rejected("bad_pool", f"the pool {self._name} does not trade {mint}")

    def _compute_swap(self, index_in: int, amount_in: int) -> CurveSwap:
        check_amount(amount_in)
        s = self.state
        if s.status not in SWAPPABLE_STATUSES:
            raise Rejected("pool_disabled", "swaps are switched off in this pool")
        if s.status == STATUS_WAITING_TRADE and self.clock.unix_time < s.open_time:
            raise Rejected("not_open", "the pool is not open yet")
        reserves = self.reserves
        if not min(reserves):
            raise Rejected("no_liquidity", "the pool is empty")
        check_balance(self.sides[index_in].balance + amount_in)
        swap = swap_exact_in(amount_in, reserves[index_in], reserves[1 - index_in], self._rate)
        check_output(swap.amount_out)
        return swap
