"""One side of a pool: the vault that holds a token and what its mint does to transfers.

Also the checks and measures that every exact-in swap shares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX, ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.spl import (
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAMS,
    TransferFee,
    transfer_fee,
    with_amount,
)
from backend.venues.venue import Account, Accounts

_USABLE = 1


@dataclass(frozen=True, slots=True)
class Side:
    """One of a pool's two tokens: the vault's balance and the token's transfer fee, if any.

    ``vault_account`` and ``mint_account`` are as they were read; only a Token-2022 mint is.
    """

    mint: Pubkey
    token_program: Pubkey
    vault: Pubkey
    balance: int
    vault_account: Account
    mint_account: Account | None = None
    fee: TransferFee | None = None

    def received(self, amount: int) -> int:
        """What arrives of a transfer of ``amount``."""
        return amount if self.fee is None else amount - self.fee.of(amount)

    def moved(self, change: int) -> Side:
        """The side after the vault's balance changed."""
        # Written out: it runs twice in every swap, and ``replace`` takes more than twice as long.
        return Side(
            self.mint,
            self.token_program,
            self.vault,
            self.balance + change,
            self.vault_account,
            self.mint_account,
            self.fee,
        )

    def at_epoch(self, epoch: int) -> Side:
        """The side under the transfer fee of ``epoch``."""
        if self.mint_account is None:
            return self
        return replace(self, fee=transfer_fee(self.mint, self.mint_account, epoch))

    def account(self) -> Account:
        """The vault's account as it is now."""
        return with_amount(self.vault_account, self.balance)


def read_side(
    mint: Pubkey,
    token_program: Pubkey,
    vault: Pubkey,
    authority: Pubkey,
    accounts: Accounts,
    epoch: int,
) -> Side:
    """The side that a pool's account names, from the accounts of its vault and mint.

    Raises ``Rejected`` (``bad_pool``, ``unsupported_mint``).
    """
    account = accounts.get(vault)
    if account is None:
        raise Rejected("bad_pool", f"the vault {vault} does not exist")
    if token_program not in TOKEN_PROGRAMS or account.owner != token_program:
        raise Rejected("bad_pool", f"the vault {vault} is not a token account")
    held = TOKEN_ACCOUNT.read(account.data)
    if held.mint != mint or held.owner != authority or held.state != _USABLE:
        raise Rejected("bad_pool", f"the vault {vault} is not the pool's or cannot be used")
    side = Side(mint, token_program, vault, held.amount, account)
    if token_program != TOKEN_2022_PROGRAM:
        return side
    mint_account = accounts.get(mint)
    fee = transfer_fee(mint, mint_account, epoch)
    return replace(side, mint_account=mint_account, fee=fee)


def mints_to_read(*sides: tuple[Pubkey, Pubkey]) -> list[Pubkey]:
    """Which of these mints, each with its token program, decide what a transfer moves."""
    return [mint for mint, program in sides if program == TOKEN_2022_PROGRAM]


def check_amount(amount: int) -> None:
    """Raises ``Rejected`` if ``amount`` cannot be the input of a swap."""
    if amount <= 0:
        raise Rejected("zero_output", "nothing is put in")
    if amount > U64_MAX:
        raise Rejected("amount_too_large", "the amount does not fit 64 bits")


def check_balance(amount: int) -> None:
    """Raises ``Rejected`` if a vault cannot come to hold ``amount``."""
    if amount > U64_MAX:
        raise Rejected("amount_too_large", "the pool cannot hold that much")


def check_output(amount: int) -> None:
    """Raises ``Rejected`` if a swap would pay nothing."""
    if amount <= 0:
        raise Rejected("zero_output", "the amount is too small: the pool would pay nothing")


def price_impact_e9(at_spot: int, paid: int) -> int:
    """How much less was paid than at the spot price, in parts per billion, rounded down.

    Both are before fees and in the same unit, of whatever scale. Never below 0: rounding can
    not make a trade look better than the spot price.
    """
    return max(floor_div((at_spot - paid) * E9, at_spot), 0)


def along_product(x: int, y: int, numerator: int, denominator: int) -> tuple[int, int]:
    """The reserves on the curve x · y = k at which one x is worth ``numerator / denominator`` y.

    From x · y = k and y / x = price follows x = √(k / price). k never falls, so depth is kept
    over any number of moves. Raises ``Rejected`` (``amount_too_large``).
    """
    k = x * y
    new_x = max(isqrt(floor_div(k * denominator, numerator)), 1)
    new_y = ceil_div(k, new_x)
    check_balance(max(new_x, new_y))
    return new_x, new_y
