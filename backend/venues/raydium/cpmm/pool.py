"""A Raydium CPMM pool: what it pays, what it becomes, and the instruction that swaps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import E9, Dex, Quote
from backend.venues.pool_side import (
    Side,
    along_product,
    check_amount,
    check_balance,
    check_output,
    price_impact_e9,
)
from backend.venues.raydium.cpmm.accounts import (
    AUTHORITY,
    POOL_STATE,
    PROGRAM,
    SWAP_DISABLED,
    AmmConfig,
    PoolState,
)
from backend.venues.raydium.cpmm.curve import RATE_ONE, Rates, Swap, exact_in
from backend.venues.spl import Clock
from backend.venues.venue import Account, Trader

SWAP_BASE_INPUT = bytes.fromhex("8fbe5adac41e33de")


@dataclass(frozen=True, slots=True)
class _Direction:
    """All of a quote that does not depend on the amount."""

    index_in: int
    reserve_in: int
    reserve_out: int
    rates: Rates
    fee_e9: int


@dataclass(frozen=True, slots=True)
class _Trade:
    way: _Direction
    curve: Swap
    arrived: int
    paid_out: int


@dataclass(frozen=True, slots=True)
class CpmmPool:
    """A pool with its config and vaults; ``account`` and ``config_account`` are as they were read.

    Raises ``Rejected`` (``bad_pool``) if the vaults hold less than the fees that are in them.
    """

    address: Pubkey
    slot: int
    clock: Clock
    state: PoolState
    config: AmmConfig
    sides: tuple[Side, Side]
    account: Account
    config_account: Account
    _name: str = field(init=False, repr=False, compare=False)
    _directions: dict[Pubkey, _Direction] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ways = {self.sides[i].mint: self._direction(i) for i in (0, 1)}
        object.__setattr__(self, "_name", str(self.address))
        object.__setattr__(self, "_directions", ways)

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The two tokens, ordered by their bytes."""
        return self.state.mint0, self.state.mint1

    @property
    def reserves(self) -> tuple[int, int]:
        """What the curve has of each token: the vaults without the fees that lie in them."""
        s, (side0, side1) = self.state, self.sides
        return (
            side0.balance - s.protocol_fees0 - s.fund_fees0 - s.creator_fees0,
            side1.balance - s.protocol_fees1 - s.fund_fees1 - s.creator_fees1,
        )

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints."""
        return self.sides[self._way(mint).index_in].token_program

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """What the pool pays; raises ``Rejected`` if it would not swap."""
        trade = self._trade(mint_in, amount_in)
        way, curve = trade.way, trade.curve
        impact = price_impact_e9(curve.net_in * way.reserve_out, curve.gross_out * way.reserve_in)
        return Quote(
            Dex.RAYDIUM, self._name, amount_in, trade.paid_out, way.fee_e9, impact, self.slot
        )

    def swapped(self, mint_in: Pubkey, amount_in: int) -> tuple[int, CpmmPool]:
        """The amount paid out and the pool afterwards; raises as ``quote`` does."""
        trade = self._trade(mint_in, amount_in)
        curve, s = trade.curve, self.state
        creator_in, creator_out = (
            (curve.creator_fee, 0) if trade.way.rates.creator_on_input else (0, curve.creator_fee)
        )
        change_in, change_out = trade.arrived, -curve.amount_out
        if trade.way.index_in == 0:
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
            self._moved(*changes),
            self.account,
            self.config_account,
        )
        return trade.paid_out, after

    def swap(
        self, trader: Trader, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """The instruction ``swap_base_input``."""
        i = self._way(mint_in).index_in
        into, out_of = self.sides[i], self.sides[1 - i]
        keys = [
            AccountMeta(trader.owner, is_signer=True, is_writable=False),
            AccountMeta(AUTHORITY, is_signer=False, is_writable=False),
            AccountMeta(self.state.amm_config, is_signer=False, is_writable=False),
            AccountMeta(self.address, is_signer=False, is_writable=True),
            AccountMeta(trader.account_in, is_signer=False, is_writable=True),
            AccountMeta(trader.account_out, is_signer=False, is_writable=True),
            AccountMeta(into.vault, is_signer=False, is_writable=True),
            AccountMeta(out_of.vault, is_signer=False, is_writable=True),
            AccountMeta(into.token_program, is_signer=False, is_writable=False),
            AccountMeta(out_of.token_program, is_signer=False, is_writable=False),
            AccountMeta(into.mint, is_signer=False, is_writable=False),
            AccountMeta(out_of.mint, is_signer=False, is_writable=False),
            AccountMeta(self.state.observation, is_signer=False, is_writable=True),
        ]
        amounts = amount_in.to_bytes(8, "little") + min_amount_out.to_bytes(8, "little")
        return Instruction(PROGRAM, SWAP_BASE_INPUT + amounts, keys)

    def accounts(self) -> dict[Pubkey, Account]:
        """The pool, its config and its vaults as accounts."""
        data = POOL_STATE.write(self.state, self.account.data)
        return {
            self.address: replace(self.account, data=data),
            self.state.amm_config: self.config_account,
            **{side.vault: side.account() for side in self.sides},
        }

    def at_price(self, mint: Pubkey, numerator: int, denominator: int) -> CpmmPool:
        """The pool moved along its curve."""
        assert numerator > 0
        assert denominator > 0
        i = self._way(mint).index_in
        old = self.reserves
        x, y = along_product(old[i], old[1 - i], numerator, denominator)
        changes = (x - old[i], y - old[1 - i])
        return replace(self, sides=self._moved(*(changes if i == 0 else changes[::-1])))

    def at_time(self, clock: Clock) -> CpmmPool:
        """The same pool under another clock."""
        side0, side1 = self.sides
        sides = (side0.at_epoch(clock.epoch), side1.at_epoch(clock.epoch))
        return replace(self, clock=clock, sides=sides)

    def _moved(self, change0: int, change1: int) -> tuple[Side, Side]:
        return self.sides[0].moved(change0), self.sides[1].moved(change1)

    def _way(self, mint_in: Pubkey) -> _Direction:
        way = self._directions.get(mint_in)
        if way is None:
            raise Rejected("bad_pool", f"the pool {self._name} does not trade {mint_in}")
        return way

    def _direction(self, i: int) -> _Direction:
        reserves, config = self.reserves, self.config
        if min(reserves) < 0:
            raise Rejected("bad_pool", f"the pool {self.address} owes more than it holds")
        creator = config.creator_fee_rate if self.state.enable_creator_fee else 0
        rates = Rates(
            config.trade_fee_rate,
            creator,
            config.protocol_fee_rate,
            config.fund_fee_rate,
            creator_on_input=self.state.creator_fee_on in {0, i + 1},
        )
        fee_e9 = (rates.trade + rates.creator) * (E9 // RATE_ONE)
        return _Direction(i, reserves[i], reserves[1 - i], rates, fee_e9)

    def _trade(self, mint_in: Pubkey, amount_in: int) -> _Trade:
        check_amount(amount_in)
        way = self._way(mint_in)
        if self.state.status & SWAP_DISABLED:
            raise Rejected("pool_disabled", "swaps are switched off in this pool")
        if self.clock.unix_time < self.state.open_time:
            raise Rejected("not_open", "the pool is not open yet")
        if not way.reserve_in or not way.reserve_out:
            raise Rejected("no_liquidity", "the pool is empty")
        into, out_of = self.sides[way.index_in], self.sides[1 - way.index_in]
        arrived = into.received(amount_in)
        check_amount(arrived)
        check_balance(into.balance + arrived)
        curve = exact_in(arrived, way.reserve_in, way.reserve_out, way.rates)
        paid_out = out_of.received(curve.amount_out)
        check_output(paid_out)
        return _Trade(way, curve, arrived, paid_out)
