"""A Meteora DAMM v2 pool: what it pays, what it becomes, and the instruction that swaps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import Dex, Quote
from backend.venues.meteora.damm_v2.accounts import AUTHORITY, EVENT_AUTHORITY, PROGRAM
from backend.venues.meteora.damm_v2.pricing import Market, Trade, write_market
from backend.venues.pool_side import (
    Side,
    check_amount,
    check_balance,
    check_output,
    price_impact_e9,
)
from backend.venues.spl import INSTRUCTIONS_SYSVAR, Clock
from backend.venues.venue import Account, Trader

SWAP2 = bytes.fromhex("414b3f4ceb5b5b88")
EXACT_IN = 0


@dataclass(frozen=True, slots=True)
class DammPool:
    """A pool with its vaults, a first. ``account`` is as it was read."""

    address: Pubkey
    slot: int
    market: Market
    sides: tuple[Side, Side]
    account: Account
    _name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_name", str(self.address))

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The tokens a and b."""
        return self.sides[0].mint, self.sides[1].mint

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program of one of the two mints."""
        return self.sides[0 if self._is_a(mint) else 1].token_program

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """What the pool pays; raises ``Rejected`` if it would not swap."""
        sells_a = self._is_a(mint_in)
        trade, paid_out = self._trade(amount_in, sells_a)
        out, into = self.market.spot(sells_a=sells_a)
        impact = price_impact_e9(trade.net_in * out, trade.gross_out * into)
        return Quote(Dex.METEORA, self._name, amount_in, paid_out, trade.fee_e9, impact, self.slot)

    def swapped(self, mint_in: Pubkey, amount_in: int) -> tuple[int, DammPool]:
        """The amount paid out and the pool afterwards; raises as ``quote`` does."""
        sells_a = self._is_a(mint_in)
        trade, paid_out = self._trade(amount_in, sells_a)
        market = self.market.after(trade, sells_a=sells_a)
        into, out_of = trade.amount_in, -trade.amount_out
        sides = self._moved(into, out_of) if sells_a else self._moved(out_of, into)
        return paid_out, DammPool(self.address, self.slot, market, sides, self.account)

    def swap(
        self, trader: Trader, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """The instruction ``swap2`` for an exact input, without a referrer."""
        sells_a = self._is_a(mint_in)
        side_a, side_b = self.sides
        keys = [
            AccountMeta(AUTHORITY, is_signer=False, is_writable=False),
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
            # The program itself stands for "no referrer".
            AccountMeta(PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(EVENT_AUTHORITY, is_signer=False, is_writable=False),
            AccountMeta(PROGRAM, is_signer=False, is_writable=False),
        ]
        if self.market.is_limited(sells_a=sells_a):
            # The program looks there for a second purchase in the same transaction.
            keys.append(AccountMeta(INSTRUCTIONS_SYSVAR, is_signer=False, is_writable=False))
        amounts = amount_in.to_bytes(8, "little") + min_amount_out.to_bytes(8, "little")
        return Instruction(PROGRAM, SWAP2 + amounts + bytes([EXACT_IN]), keys)

    def accounts(self) -> dict[Pubkey, Account]:
        """The pool and its vaults as accounts."""
        data = write_market(self.market, self.account.data)
        return {
            self.address: replace(self.account, data=data),
            **{side.vault: side.account() for side in self.sides},
        }

    def at_price(self, mint: Pubkey, numerator: int, denominator: int) -> DammPool:
        """The pool with its depth kept and its price moved, no further than its range."""
        assert numerator > 0
        assert denominator > 0
        if not self._is_a(mint):
            numerator, denominator = denominator, numerator
        market = self.market.at_price(numerator, denominator)
        (old_a, old_b), (new_a, new_b) = self.market.amounts(), market.amounts()
        return replace(self, market=market, sides=self._moved(new_a - old_a, new_b - old_b))

    def at_time(self, clock: Clock) -> DammPool:
        """The same pool under another clock."""
        side_a, side_b = self.sides
        sides = (side_a.at_epoch(clock.epoch), side_b.at_epoch(clock.epoch))
        return replace(self, market=replace(self.market, clock=clock), sides=sides)

    def _trade(self, amount_in: int, sells_a: bool) -> tuple[Trade, int]:
        check_amount(amount_in)
        into, out_of = self.sides if sells_a else self.sides[::-1]
        arrived = into.received(amount_in)
        check_amount(arrived)
        check_balance(into.balance + arrived)
        trade = self.market.trade(arrived, sells_a=sells_a)
        paid_out = out_of.received(trade.amount_out)
        check_output(paid_out)
        if trade.amount_out > out_of.balance:
            raise Rejected("no_liquidity", "the pool's vault does not hold enough")
        return trade, paid_out

    def _moved(self, change_a: int, change_b: int) -> tuple[Side, Side]:
        return self.sides[0].moved(change_a), self.sides[1].moved(change_b)

    def _is_a(self, mint: Pubkey) -> bool:
        if mint == self.sides[0].mint:
            return True
        if mint == self.sides[1].mint:
            return False
        raise Rejected("bad_pool", f"the pool {self._name} does not trade {mint}")
