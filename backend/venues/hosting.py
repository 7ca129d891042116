"""The extension of the venue interface for hosting: create pools, parse swaps, encode pools.

The engine only reads pools. A simulated chain also owns them, so it needs these operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from solders.pubkey import Pubkey

from backend.venues.spl import Clock
from backend.venues.venue import Account, Accounts, Pool, SwapAccounts, Venue


@dataclass(frozen=True, slots=True)
class ParsedSwap:
    """A swap instruction in parsed form."""

    pool: Pubkey
    mint_in: Pubkey
    amount_in: int
    min_amount_out: int
    trader: SwapAccounts
    remaining: tuple[Pubkey, ...] = ()
    """The accounts at the end of the instruction that depend on the pool's state, in order."""


class HostedPool(Pool, Protocol):
    """A pool that can be encoded as accounts."""

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The pool's two tokens, in its own order."""
        ...

    @property
    def lp_supply(self) -> int:
        """How many LP tokens were issued, of which some may be burned; 0 where there are none."""
        ...

    def encode_accounts(self) -> dict[Pubkey, Account]:
        """Encode every account of the pool in its current state: own, vaults and config."""
        ...

    def list_swap_accounts(self, mint_in: Pubkey, amount_in: int) -> Sequence[Pubkey]:
        """List the accounts that depend on the pool's state and that this swap reads, in order.

        A swap instruction names these and some to spare. Raises as ``quote`` does.
        """
        ...

    def with_price(self, mint: Pubkey, numerator: int, denominator: int) -> Self:
        """The pool at another price, with the same depth.

        One base unit of ``mint`` is then worth ``numerator / denominator`` base units of the
        other token, as closely as the pool's price range and integer arithmetic permit.
        """
        ...

    def with_clock(self, clock: Clock) -> Self:
        """The same pool at another cluster time."""
        ...


class HostedVenue(Venue, Protocol):
    """A venue whose pools can be created and whose swap instructions can be parsed."""

    def create_pool(
        self,
        mint_a: Pubkey,
        mint_b: Pubkey,
        amount_a: int,
        amount_b: int,
        *,
        fee_e9: int,
        open_time: int = 0,
        address: Pubkey | None = None,
        locked_bps: int = 0,
        mints: Mapping[Pubkey, Account] | None = None,
    ) -> HostedPool:
        """Create a pool of two tokens, with these reserves: the venue's default one, or another.

        Its price is ``amount_b / amount_a`` base units of b for one of a. Its only fee is
        ``fee_e9`` parts per billion of each trade, and it opens at ``open_time``. ``address``
        is that of a pool besides the default one, ``mints`` are the accounts of those tokens that
        are of Token-2022. Of its liquidity, ``locked_bps`` cannot be withdrawn, as far as the
        pool's own account says that: see ``encode_lp_mint``.
        Raises ``ValueError`` if the venue does not permit such a pool.
        """
        ...

    def encode_lp_mint(self, pool: Pubkey, lp_supply: int, locked_bps: int) -> Accounts:
        """Encode the mint of the pool's LP tokens, if it has one, with the locked ones burned."""
        ...

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> ParsedSwap:
        """Parse the swap instruction with the accounts ``keys``.

        ``accounts`` must contain the trader's input account: its mint determines the direction
        where the instruction does not name it. Raises ``Rejected`` (``bad_instruction``) for
        anything but a swap as ``Pool.swap_instruction`` builds it; whether the other accounts
        are the pool's own is checked by building the instruction again.
        """
        ...
