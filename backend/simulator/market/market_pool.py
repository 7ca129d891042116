"""A pool of the simulated chain: how it was at first, and its state in the current slot."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.quotes import Dex
from backend.simulator.programs import token
from backend.venues.hosting import HostedPool, HostedVenue


class MarketPool:
    """A pool at genesis and its current state, computed for the slot of the last access.

    The vaults in ``accounts`` always match ``pool``. The pool account itself is encoded when it
    is read, because that is most of the work; ``is_account_stale`` until then. ``name`` is the key
    of its price walk and of its stored price factor. ``launch_price`` is that of a launched pool,
    which follows no market: base units of quote for one of base. A pool that ``is_stale`` does not
    either: its price is the reference.
    """

    __slots__ = (
        "accounts",
        "base",
        "genesis",
        "is_account_stale",
        "is_stale",
        "launch_price",
        "name",
        "pool",
        "price_factor_e9",
        "quote",
        "slot",
        "vaults",
        "venue",
    )

    def __init__(
        self,
        venue: HostedVenue,
        base: Token,
        quote: Token,
        genesis: HostedPool,
        name: str,
        price_factor_e9: int,
        *,
        launch_price: Fraction | None = None,
        is_stale: bool = False,
    ) -> None:
        self.venue: Final = venue
        self.base: Final = base
        self.quote: Final = quote
        self.genesis: Final = genesis
        self.price_factor_e9 = price_factor_e9
        self.name: Final = name
        self.launch_price: Final = launch_price
        self.is_stale: Final = is_stale
        self.start_slot(-1, genesis)
        self.vaults: Final = {
            Pubkey(account.data[:32]): key
            for key, account in self.accounts.items()
            if token.is_token_account(account)
        }

    def start_slot(self, slot: int, pool: HostedPool) -> None:
        """Set the state of the pool at the start of a slot."""
        self.slot = slot
        self.pool = pool
        self.accounts = pool.encode_accounts()
        self.is_account_stale = False

    @property
    def dex(self) -> Dex:
        """The exchange of the pool's program."""
        return self.venue.dex
