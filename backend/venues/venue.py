"""The interface of every venue: account bytes and an amount in, a quote or an instruction out.

Venues perform no I/O. The caller reads the accounts that ``list_accounts`` names in one RPC call,
so that they are of one slot, and passes them to ``decode_pool``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.domain.quotes import Dex, Quote


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a node returns it."""

    owner: Pubkey
    lamports: int
    data: bytes


Accounts = Mapping[Pubkey, Account | None]
"""Accounts by address, all of one slot; ``None`` where there is no such account."""


@dataclass(frozen=True, slots=True)
class PoolSearch:
    """How a node finds the pools of a program: by the size of their accounts, and their mints.

    ``mint_offsets`` are where the account has the mints of its two tokens, in its own order.
    """

    data_size: int
    mint_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PoolTraits:
    """What a pool shows of itself besides its price; ``None`` is what cannot be known.

    ``reserve_in`` is what it holds of the token that is paid in, in base units; ``locked_bps`` the
    share of its liquidity that nobody can withdraw, rounded down; ``age_s`` the seconds since it
    opened, negative before.
    """

    reserve_in: int
    locked_bps: int | None
    age_s: int | None


@dataclass(frozen=True, slots=True)
class SwapAccounts:
    """The trader's accounts in a swap: the input and output token accounts, and their owner."""

    owner: Pubkey
    account_in: Pubkey
    account_out: Pubkey


class Pool(Protocol):
    """An immutable snapshot of one pool as of one slot."""

    @property
    def address(self) -> Pubkey:
        """The pool's own account."""
        ...

    @property
    def slot(self) -> int:
        """The slot that it was read in."""
        ...

    def encode_quote_accounts(self) -> Accounts:
        """Encode the accounts that ``decode_pool`` needs for the same quotes."""
        ...

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program that owns ``mint``, one of the pool's two."""
        ...

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """Quote what the pool pays for ``amount_in`` base units, exactly as its program would.

        Raises ``Rejected`` if it would not swap: not open, disabled, zero output, too large.
        """
        ...

    def list_trait_accounts(self) -> Sequence[Pubkey]:
        """List the accounts that ``read_traits`` needs besides the pool's own."""
        ...

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read what the pool shows of itself to who pays in ``mint_in``."""
        ...

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Whether every amount pays the same share as a fee.

        Then what one base unit in costs, amount in / amount out, is linear in the amount, apart
        from rounding: both venues move along x · y = k.
        """
        ...

    def pays_at_least(self, other: Self, mint_in: Pubkey) -> bool:
        """Whether this state of a pool pays what ``other``, another state of it, pays, or more.

        It holds for every amount that ``other`` takes, to the base unit. ``False`` where that is
        not certain.
        """
        ...

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, Self]:
        """The amount paid out and the pool after the swap; raises as ``quote`` does."""
        ...

    def swap_instruction(
        self, trader: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """Build the instruction that swaps exactly ``amount_in``, or fails below the minimum."""
        ...


class Venue(Protocol):
    """One exchange program."""

    @property
    def dex(self) -> Dex:
        """The exchange's name."""
        ...

    @property
    def program(self) -> Pubkey:
        """The program's address."""
        ...

    @property
    def search(self) -> PoolSearch:
        """How a node finds the program's pools."""
        ...

    def derive_pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Derive the address of the venue's default pool of two tokens, in either order."""
        ...

    def list_accounts(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """List the accounts that a quote needs, as named by the pool's own account.

        They never change for a pool. Raises ``Rejected`` (``bad_pool``).
        """
        ...

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> Pool:
        """Decode the pool from the accounts that ``list_accounts`` names.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``) unless they are the
        accounts of a pool that can be quoted exactly.
        """
        ...

    def classify_error(self, code: int, logs: Sequence[str]) -> EngineError:
        """Classify a program error; the error name in the logs takes precedence over the code."""
        ...
