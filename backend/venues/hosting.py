"""What a node needs of a venue besides: to create its pools, read swaps and write pools back.

Clients of a chain only look at pools. Whoever stands in for the chain holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from solders.pubkey import Pubkey

from backend.venues.spl import Clock
from backend.venues.venue import Account, Accounts, Pool, Trader, Venue


@dataclass(frozen=True, slots=True)
class SwapCall:
    """A swap instruction, read."""

    pool: Pubkey
    mint_in: Pubkey
    amount_in: int
    min_amount_out: int
    trader: Trader


class HostedPool(Pool, Protocol):
    """A pool that can be written back as accounts."""

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """The pool's two tokens, in its own order."""
        ...

    def accounts(self) -> dict[Pubkey, Account]:
        """Every account that belongs to the pool, as it is now: its own, its vaults, its config."""
        ...

    def at_price(self, mint: Pubkey, numerator: int, denominator: int) -> Self:
        """The pool with its depth kept and its price moved.

        One base unit of ``mint`` is then worth ``numerator / denominator`` base units of the
        other token, as nearly as the pool's price range and its integers permit.
        """
        ...

    def at_time(self, clock: Clock) -> Self:
        """The same pool under another clock."""
        ...


class HostedVenue(Venue, Protocol):
    """A venue whose pools can be created and whose swaps can be read."""

    def create(
        self,
        mint_a: Pubkey,
        mint_b: Pubkey,
        amount_a: int,
        amount_b: int,
        *,
        fee_e9: int,
        open_time: int = 0,
    ) -> HostedPool:
        """The venue's default pool of two SPL tokens, with these reserves.

        Its price is ``amount_b / amount_a`` base units of b for one of a. Its only fee is
        ``fee_e9`` parts per billion of each trade, and it opens at ``open_time``.
        Raises ``ValueError`` if the venue cannot have such a pool.
        """
        ...

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> SwapCall:
        """The swap that an instruction with the accounts ``keys`` asks for.

        ``accounts`` must hold the trader's input account: its mint is the direction of a swap
        where the instruction does not say. Raises ``Rejected`` (``bad_instruction``) for
        anything but a swap as ``Pool.swap`` builds it; whether its other accounts are the
        pool's own is seen by building it again.
        """
        ...
