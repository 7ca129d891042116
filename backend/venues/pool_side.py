"""One side of a pool: the vault of a token and the transfer fee of its mint.

Also the checks and calculations that every exact-in swap shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, U64_MAX, ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.curve_segment import KeptShares
from backend.venues.spl import (
    CLOCK,
    CLOCK_SYSVAR,
    MINT,
    SYSVAR_OWNER,
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
    Clock,
    TransferFee,
    make_account,
    make_token_account,
    read_transfer_fee,
    with_amount,
)
from backend.venues.venue import Account, Accounts

_STATE_INITIALIZED = 1


@dataclass(frozen=True, slots=True)
class PoolSide:
    """One of a pool's two tokens: the vault's balance and the token's transfer fee, if any.

    ``vault_account`` and ``mint_account`` are as they were read; only Token-2022 mints are read.
    """

    mint: Pubkey
    token_program: Pubkey
    vault: Pubkey
    balance: int
    vault_account: Account
    mint_account: Account | None = None
    fee: TransferFee | None = None

    def compute_received(self, amount: int) -> int:
        """Compute what the recipient of a transfer of ``amount`` receives."""
        return amount if self.fee is None else amount - self.fee.compute(amount)

    def with_balance_change(self, change: int) -> PoolSide:
        """The side after a change of the vault's balance."""
        # Spelled out: it runs twice in every swap, and ``replace`` takes more than twice as long.
        return PoolSide(
            self.mint,
            self.token_program,
            self.vault,
            self.balance + change,
            self.vault_account,
            self.mint_account,
            self.fee,
        )

    def with_epoch(self, epoch: int) -> PoolSide:
        """The side with the transfer fee of ``epoch``."""
        if self.mint_account is None:
            return self
        return replace(self, fee=read_transfer_fee(self.mint, self.mint_account, epoch))

    def encode_vault(self) -> Account:
        """Encode the vault's account in its current state."""
        return with_amount(self.vault_account, self.balance)


class OwnedPool:
    """A pool by its own account."""

    __slots__ = ()
    account: Account

    @property
    def program(self) -> Pubkey:
        """The program that the pool is of."""
        return self.account.owner


class PositionsPool(OwnedPool):
    """A pool whose liquidity is in positions, each its owner's: there are no LP tokens."""

    __slots__ = ()

    @property
    def lp_supply(self) -> int:
        """None: nobody is issued any."""
        return 0

    def list_trait_accounts(self) -> Sequence[Pubkey]:
        """None: no other account has what is locked."""
        return ()


def read_pool_side(
    mint: Pubkey,
    token_program: Pubkey,
    vault: Pubkey,
    authority: Pubkey,
    accounts: Accounts,
    epoch: int,
) -> PoolSide:
    """Read the side that a pool's account names from the accounts of its vault and mint.

    Raises ``Rejected`` (``bad_pool``, ``unsupported_mint``).
    """
    account = accounts.get(vault)
    if account is None:
        raise Rejected("bad_pool", f"the vault {vault} does not exist")
    if token_program not in TOKEN_PROGRAMS or account.owner != token_program:
        raise Rejected("bad_pool", f"the vault {vault} is not a token account")
    token = TOKEN_ACCOUNT.read(account.data)
    if token.mint != mint or token.owner != authority or token.state != _STATE_INITIALIZED:
        raise Rejected("bad_pool", f"the vault {vault} is not the pool's or cannot be used")
    side = PoolSide(mint, token_program, vault, token.amount, account)
    if token_program != TOKEN_2022_PROGRAM:
        return side
    mint_account = accounts.get(mint)
    fee = read_transfer_fee(mint, mint_account, epoch)
    return replace(side, mint_account=mint_account, fee=fee)


def create_pool_side(
    mint: Pubkey, vault: Pubkey, authority: Pubkey, amount: int, mints: Mapping[Pubkey, Account]
) -> PoolSide:
    """Create the side of a new pool; ``mints`` has the accounts of the tokens of Token-2022."""
    mint_account = mints.get(mint)
    program = TOKEN_PROGRAM if mint_account is None else mint_account.owner
    fee = None if mint_account is None else read_transfer_fee(mint, mint_account, 0)
    vault_account = make_token_account(mint, authority, amount, program)
    return PoolSide(mint, program, vault, amount, vault_account, mint_account, fee)


def compute_kept_shares(side_in: PoolSide, side_out: PoolSide) -> KeptShares:
    """The shares of large transfers into and out of a pool that arrive, but for a fee's maximum."""
    of_in, of_out = (
        1.0 if side.fee is None else 1 - side.fee.bps / BPS for side in (side_in, side_out)
    )
    return KeptShares(of_in, of_out)


def move_to_epoch(sides: tuple[PoolSide, PoolSide], epoch: int) -> tuple[PoolSide, PoolSide]:
    """Both sides with the transfer fees of ``epoch``."""
    return sides[0].with_epoch(epoch), sides[1].with_epoch(epoch)


def compute_locked_bps(locked: int, total: int) -> int | None:
    """The share of a pool's liquidity that is locked, rounded down; ``None`` if there is none."""
    return None if total <= 0 else max(floor_div(locked * BPS, total), 0)


def compute_burned_bps(lp_mint: Account | None, issued: int) -> int | None:
    """The share of the LP tokens that was burned, rounded down; ``None`` if their mint is gone."""
    if lp_mint is None or lp_mint.owner != TOKEN_PROGRAM:
        return None
    return compute_locked_bps(issued - MINT.read(lp_mint.data).supply, issued)


def select_token_2022_mints(*sides: tuple[Pubkey, Pubkey]) -> list[Pubkey]:
    """Select the Token-2022 mints, which may charge for transfers, from mints and programs."""
    return [mint for mint, program in sides if program == TOKEN_2022_PROGRAM]


def encode_clock_and_mints(clock: Clock, sides: Iterable[PoolSide]) -> dict[Pubkey, Account | None]:
    """Encode what a quote needs besides a pool's own accounts: the clock, and mints with fees."""
    mints = {side.mint: side.mint_account for side in sides if side.mint_account}
    return {CLOCK_SYSVAR: make_account(SYSVAR_OWNER, CLOCK.write(clock)), **mints}


def check_amount(amount: int) -> None:
    """Check that ``amount`` can be the input of a swap; raises ``Rejected``."""
    if amount <= 0:
        raise Rejected("zero_output", "the input amount must be greater than 0")
    if amount > U64_MAX:
        raise Rejected("amount_too_large", "the amount does not fit 64 bits")


def check_balance(amount: int) -> None:
    """Check that a vault can hold ``amount``; raises ``Rejected``."""
    if amount > U64_MAX:
        raise Rejected("amount_too_large", "the pool cannot hold that much")


def check_output(amount: int) -> None:
    """Check that a swap pays something; raises ``Rejected``."""
    if amount <= 0:
        raise Rejected("zero_output", "the amount is too small: the pool would pay nothing")


def compute_price_impact_e9(at_spot: int, paid: int) -> int:
    """Compute how much less was paid than at the spot price, in parts per billion, rounded down.

    Both arguments are before fees and in the same unit, of any scale. The result is never below
    0, so that rounding cannot make a trade look better than the spot price.
    """
    return max(floor_div((at_spot - paid) * E9, at_spot), 0)


def move_along_product(x: int, y: int, numerator: int, denominator: int) -> tuple[int, int]:
    """Move reserves along x · y = k to where one x is worth ``numerator / denominator`` y.

    From x · y = k and y / x = price follows x = √(k / price). k never falls, so the depth survives
    any number of moves. Raises ``Rejected`` (``amount_too_large``).
    """
    k = x * y
    new_x = max(isqrt(floor_div(k * denominator, numerator)), 1)
    new_y = ceil_div(k, new_x)
    check_balance(max(new_x, new_y))
    return new_x, new_y
