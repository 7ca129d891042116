"""Tokens and pools that are launched on demand, as they are stored, and the accounts they make.

A launch is no transaction: it is there from the slot on in which it was asked for, whatever is
rolled back. The same description makes the same accounts, so a restart changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX, Token
from backend.domain.quotes import Dex
from backend.simulator.chain.ledger import Ledger
from backend.simulator.market.mints import (
    encode_extension,
    encode_mint,
    encode_transfer_fee,
    encode_transfer_hook,
)
from backend.simulator.market.pools import PoolMarket
from backend.venues import Venues
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import Account

LAUNCHES_MAX: Final = 1_000
"""Most launched tokens, and most launched pools."""
_FACT: Final = "launches"
_SUPPLY_UNITS: Final = 10**9


@dataclass(frozen=True, slots=True)
class LaunchedMint:
    """A token. With a transfer fee or a hook it is one of Token-2022.

    ``transfer_fee_max`` is in base units; the hook is a program that every transfer would call.
    ``extensions`` are others, by number, as hexadecimal text.
    """

    number: int
    decimals: int
    has_mint_authority: bool = False
    has_freeze_authority: bool = False
    transfer_fee_bps: int | None = None
    transfer_fee_max: int = U64_MAX
    has_hook: bool = False
    extensions: Sequence[tuple[int, str]] = field(default=(), repr=False)

    @property
    def address(self) -> Pubkey:
        """The address of the mint: another one for each description."""
        return _derive_address(self)

    def encode(self) -> Account:
        """The account of the mint; a billion tokens were issued, or as many as fit."""
        supply = min(_SUPPLY_UNITS * 10**self.decimals, U64_MAX)
        minter, freezer = _derive_address("minter"), _derive_address("freezer")
        extensions = []
        if self.transfer_fee_bps is not None:
            extensions.append(encode_transfer_fee(self.transfer_fee_bps, self.transfer_fee_max))
        if self.has_hook:
            extensions.append(encode_transfer_hook(_derive_address("hook")))
        extensions += [
            encode_extension(kind, bytes.fromhex(text)) for kind, text in self.extensions
        ]
        return encode_mint(
            supply,
            self.decimals,
            extensions,
            minter=minter if self.has_mint_authority else None,
            freezer=freezer if self.has_freeze_authority else None,
        )


@dataclass(frozen=True, slots=True)
class LaunchedPoolTerms:
    """A pool of a token and another one, with its first reserves in base units.

    ``number`` makes its address, unless it is the venue's default pool of the two. ``program`` is
    the name of one of the exchange's programs, ``None`` for its first one.
    """

    number: int
    dex: Dex
    mint: str
    quote_mint: str
    amount: int
    quote_amount: int
    fee_e9: int
    open_time: int = 0
    locked_bps: int = 0
    is_default: bool = True
    program: str | None = field(default=None, repr=False)  # addresses are made of the others


@dataclass(frozen=True, slots=True)
class LaunchedPool:
    """A pool with its accounts besides those that its swaps change."""

    terms: LaunchedPoolTerms
    venue: HostedVenue
    pool: HostedPool
    accounts: Mapping[Pubkey, Account]


def find_venue(venues: Venues, dex: Dex, program: str | None) -> HostedVenue:
    """Find a program of an exchange by its name, or its first one. Raises ``ValueError``."""
    by_name = {venue.name: venue for venue in venues.hosted if venue.dex is dex}
    venue = by_name.get(program or next(iter(by_name)))
    if venue is None:
        raise ValueError(f"program: {dex} has {', '.join(by_name)}")
    return venue


def build_pool(
    venues: Venues, terms: LaunchedPoolTerms, mints: Mapping[Pubkey, Account]
) -> LaunchedPool:
    """Build a launched pool; ``mints`` has the accounts of both tokens. Raises ``ValueError``."""
    venue = find_venue(venues, terms.dex, terms.program)
    mint, quote_mint = Pubkey.from_string(terms.mint), Pubkey.from_string(terms.quote_mint)
    pool = venue.create_pool(
        mint,
        quote_mint,
        terms.amount,
        terms.quote_amount,
        fee_e9=terms.fee_e9,
        open_time=terms.open_time,
        address=None if terms.is_default else _derive_address(terms),
        locked_bps=terms.locked_bps,
        mints={
            key: mints[key] for key in (mint, quote_mint) if mints[key].owner == TOKEN_2022_PROGRAM
        },
    )
    accounts = venue.encode_lp_mint(pool.address, pool.lp_supply, terms.locked_bps)
    return LaunchedPool(terms, venue, pool, {key: each for key, each in accounts.items() if each})


class Launches:
    """The launched tokens and pools of a chain, and what is known of every token.

    ``mints`` are the accounts of all mints, of tokens and of LP tokens; launches add theirs.
    """

    def __init__(
        self, venues: Venues, ledger: Ledger, market: PoolMarket, mints: dict[Pubkey, Account]
    ) -> None:
        self._venues = venues
        self._ledger = ledger
        self._market = market
        self._accounts = mints
        self._mints: list[LaunchedMint] = []
        self._pools: list[LaunchedPool] = []
        self._load()

    @property
    def mints(self) -> Sequence[LaunchedMint]:
        """The tokens, in the order of their launch."""
        return tuple(self._mints)

    @property
    def pools(self) -> Sequence[LaunchedPool]:
        """The pools, in the order of their launch."""
        return tuple(self._pools)

    def get_decimals(self, mint: str) -> int:
        """The decimals of a token, 0 if there is none."""
        account = self._accounts.get(_parse_address(mint))
        return 0 if account is None else account.data[44]

    def get_token_program(self, mint: str) -> Pubkey:
        """The program of a token."""
        account = self._accounts.get(_parse_address(mint))
        return TOKEN_PROGRAM if account is None else account.owner

    def launch_mint(self, **traits: Any) -> LaunchedMint:
        """Launch a token, with the fields of ``LaunchedMint``. Raises ``ValueError``."""
        if len(self._mints) >= LAUNCHES_MAX:
            raise ValueError(f"no more than {LAUNCHES_MAX} tokens are launched")
        mint = self._add_mint(LaunchedMint(len(self._mints) + 1, **traits))
        self._store()
        return mint

    def launch_pool(self, **traits: Any) -> LaunchedPool:
        """Launch a pool, with the fields of ``LaunchedPoolTerms``. Raises ``ValueError``."""
        if len(self._pools) >= LAUNCHES_MAX:
            raise ValueError(f"no more than {LAUNCHES_MAX} pools are launched")
        pool = self._add_pool(LaunchedPoolTerms(len(self._pools) + 1, **traits))
        self._store()
        return pool

    def _add_mint(self, mint: LaunchedMint) -> LaunchedMint:
        self._accounts[mint.address] = mint.encode()
        self._mints.append(mint)
        return mint

    def _add_pool(self, terms: LaunchedPoolTerms) -> LaunchedPool:
        mints = terms.mint, terms.quote_mint
        for mint in mints:
            if Pubkey.from_string(mint) not in self._accounts:
                raise ValueError(f"there is no mint {mint}")
        launched = build_pool(self._venues, terms, self._accounts)
        base, quote = (Token(mint, mint, self.get_decimals(mint)) for mint in mints)
        price = Fraction(terms.quote_amount, terms.amount)
        self._market.add(launched.venue, base, quote, launched.pool, price)
        self._accounts.update(launched.accounts)
        self._pools.append(launched)
        return launched

    def _store(self) -> None:
        pools = [asdict(each.terms) for each in self._pools]
        text = json.dumps({"mints": list(map(asdict, self._mints)), "pools": pools})
        self._ledger.store_fact(_FACT, text)

    def _load(self) -> None:
        text = self._ledger.read_fact(_FACT)
        if text is None:
            return
        stored = json.loads(text)
        for each in stored["mints"]:
            self._add_mint(LaunchedMint(**each))
        for each in stored["pools"]:
            self._add_pool(LaunchedPoolTerms(**{**each, "dex": Dex(each["dex"])}))


@lru_cache(65_536)
def _parse_address(text: str) -> Pubkey:
    """An address that is read again with every transaction of its token."""
    return Pubkey.from_string(text)


def _derive_address(what: object) -> Pubkey:
    """An address of its own for each description."""
    return Pubkey(sha256(f"launched {what}".encode()).digest())
