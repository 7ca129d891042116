"""The interface of every venue: account bytes and an amount in, a quote or an instruction out.

Venues perform no I/O. The caller reads the accounts that a quote needs in one RPC call, so that
they are of one slot, and passes them to ``decode_pool``:

1. ``list_accounts`` names the accounts of a pool that never change. They follow from its own
   account, so they are found once for each pool.
2. ``guess_accounts`` names those that depend on the pool's state, such as the arrays of ticks or
   bins about its price, as the last read has it: mostly one read is enough. The first read of a
   pool has only its own account to guess from.
3. A quote that runs out of accounts raises ``AccountsMissing`` with the keys to add. The caller
   reads again, all accounts in one call, with these keys besides the guess of the newest read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import EngineError, Transient
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Dex, Quote
from backend.venues.curve_segment import CurveSegment


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a node returns it."""

    owner: Pubkey
    lamports: int
    data: bytes


Accounts = Mapping[Pubkey, Account | None]
"""Accounts by address, all of one slot; ``None`` where there is no such account."""


class AccountsMissing(Transient):
    """A quote depends on accounts that were not read with the pool: ``keys``, the nearest first.

    Nothing is wrong with the pool. With these accounts, of one slot with the others, the quote
    succeeds, is refused, or names the next ones.
    """

    def __init__(self, pool: Pubkey, keys: Sequence[Pubkey]) -> None:
        count = len(keys)
        super().__init__(
            "accounts_missing", f"a quote of the pool {pool} needs {count} more accounts"
        )
        self.keys = tuple(keys)


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
    def program(self) -> Pubkey:
        """The program that it is of."""
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
        Raises ``AccountsMissing`` if that depends on accounts that were not read.
        """
        ...

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        """What the pool pays for the next base unit, after its own fees and before any rounding.

        Fees that the tokens charge for transfers are not part of it. It is the limit of
        ``amount_out / amount_in`` for small amounts, and what a split over pools equalizes. Raises
        ``Rejected`` (``no_liquidity``) if the pool has nothing to pay, and ``AccountsMissing``.
        """
        ...

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        """Trace what the pool pays from its price on, in floating point, as far as it was read.

        The pieces come one by one, because a quote needs few of them. There are none of a pool
        without liquidity; whether it is open is not looked at.
        """
        ...

    def list_trait_accounts(self) -> Sequence[Pubkey]:
        """List the accounts that ``read_traits`` needs besides the pool's own."""
        ...

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        """Read what the pool shows of itself to who pays in ``mint_in``."""
        ...

    @property
    def is_single_curve(self) -> bool:
        """Whether a swap moves along one curve x · y = k.

        Then it rounds at most four times, by one base unit of either token each time.
        """
        ...

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        """Whether a swap moves along one curve, and every amount pays the same share as a fee.

        Then what one base unit in costs, amount in / amount out, is linear in the amount, apart
        from rounding.
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
    def name(self) -> str:
        """The program's name among those of its exchange, such as ``cpmm``."""
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

    def guess_accounts(self, pool: Pubkey, accounts: Accounts) -> Sequence[Pubkey]:
        """List the accounts besides those of ``list_accounts`` that a quote is likely to need.

        ``accounts`` are the last that were read, at least the pool's own. They are few, the nearest
        to the price first, and change as it moves; for most programs there are none. Raises
        ``Rejected`` (``no_pool``, ``bad_pool``).
        """
        ...

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> Pool:
        """Decode the pool from the accounts that ``list_accounts`` and ``guess_accounts`` name.

        Of the latter any may be absent: a quote that needs one raises ``AccountsMissing``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``) unless they are the
        accounts of a pool that can be quoted exactly.
        """
        ...

    def classify_error(self, code: int, logs: Sequence[str]) -> EngineError:
        """Classify a program error; the error name in the logs takes precedence over the code."""
        ...
