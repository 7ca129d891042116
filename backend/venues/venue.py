"""What every venue can do: account bytes and an amount in, a quote or an instruction out.

Nothing here reads the chain. The caller reads the accounts that ``accounts_of`` names in one
call (so that they are of one slot) and hands them to ``decode``.
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
class Trader:
    """The accounts that a swap moves tokens between, and their owner."""

    owner: Pubkey
    account_in: Pubkey
    account_out: Pubkey


class Pool(Protocol):
    """One pool as it was in one slot, immutable."""

    @property
    def address(self) -> Pubkey:
        """The pool's own account."""
        ...

    def token_program(self, mint: Pubkey) -> Pubkey:
        """The token program that owns ``mint``, one of the pool's two."""
        ...

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """What the pool pays for ``amount_in`` base units, exactly as its program would.

        Raises ``Rejected`` if it would not swap: not open, disabled, nothing paid out, too large.
        """
        ...

    def swapped(self, mint_in: Pubkey, amount_in: int) -> tuple[int, Self]:
        """The amount paid out and the pool after the swap; raises as ``quote`` does."""
        ...

    def swap(
        self, trader: Trader, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        """The instruction that swaps exactly ``amount_in`` or fails below ``min_amount_out``."""
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

    def pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Where the venue's default pool of two tokens is, in either order."""
        ...

    def accounts_of(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """Every account that a quote is made from, as the pool's own account names them.

        They do not change in a pool's life. Raises ``Rejected`` (``bad_pool``).
        """
        ...

    def decode(self, pool: Pubkey, accounts: Accounts, slot: int) -> Pool:
        """The pool from the bytes of ``accounts_of``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``) where the accounts
        are not those of a pool that this module can quote exactly.
        """
        ...

    def error(self, code: int, logs: Sequence[str]) -> EngineError:
        """A program error as the reaction it permits; the name in the logs counts first."""
        ...
