"""The pools of the venues. Arbitrage brings each back to its price in every block.

So a pool at the start of a block is a function of the slot alone: nothing of it has to be stored,
price impact is real within a block, and it does not add up over blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, Token
from backend.domain.quotes import E9, Dex
from backend.domain.tokens import KNOWN
from backend.simulator.market.prices import BANDS, dollars_e6, moved, reference, wandered_e9
from backend.simulator.options import SimulatedOptions
from backend.simulator.programs import token
from backend.simulator.state.clock import ChainClock
from backend.venues import HOSTED
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, SYSVAR_OWNER, Clock
from backend.venues.venue import Account

FEES_E9: Final[Mapping[Dex, int]] = {Dex.RAYDIUM: 3_000_000, Dex.METEORA: 2_000_000}

_CLOCK_LAMPORTS: Final = 1_169_280
_SLOTS_PER_EPOCH: Final = 432_000


class _Hosted:
    """A pool as it was created, and as it is in the slot in which it was last looked at.

    Of ``accounts`` the vaults are always those of ``current``; the pool's own is written when it
    is read, for that is most of the work.
    """

    __slots__ = (
        "accounts",
        "base",
        "current",
        "dex",
        "factor_e9",
        "genesis",
        "is_stale",
        "quote",
        "slot",
        "vaults",
    )

    def __init__(
        self, dex: Dex, base: Token, quote: Token, genesis: HostedPool, factor_e9: int
    ) -> None:
        self.dex: Final = dex
        self.base: Final = base
        self.quote: Final = quote
        self.genesis: Final = genesis
        self.factor_e9 = factor_e9
        self.begin(-1, genesis)
        self.vaults: Final = {
            Pubkey(account.data[:32]): key
            for key, account in self.accounts.items()
            if token.is_holding(account)
        }

    def begin(self, slot: int, pool: HostedPool) -> None:
        """The pool as a slot begins."""
        self.slot = slot
        self.current = pool
        self.accounts = pool.accounts()
        self.is_stale = False

    @property
    def name(self) -> str:
        """What its price is a function of, besides the time."""
        return f"{self.dex}/{self.base.symbol}/{self.quote.symbol}"


class Pools:
    """Every pool, by its address and by the accounts that belong to it."""

    def __init__(
        self, options: SimulatedOptions, clock: ChainClock, factors: Mapping[str, int]
    ) -> None:
        self._options = options
        self._clock = clock
        self._hosted = {
            hosted.genesis.address: hosted for hosted in _genesis(options, clock, factors)
        }
        self._belongs = {
            key: hosted for hosted in self._hosted.values() for key in hosted.genesis.accounts()
        }
        self._clock_account: tuple[int, Account] | None = None

    def get(self, address: Pubkey, slot: int) -> HostedPool | None:
        """A pool as it is in the slot under way."""
        hosted = self._hosted.get(address)
        return None if hosted is None else self._now(hosted, slot).current

    def moved_by(
        self, address: Pubkey, slot: int, base: Token | None, bps: int
    ) -> HostedPool | None:
        """A pool as it would be at another price."""
        hosted = self._hosted.get(address)
        if hosted is None:
            return None
        return self._at(hosted, slot, moved(hosted.factor_e9, _towards(hosted, base, bps)))

    def vault(self, address: Pubkey, mint: Pubkey) -> Pubkey:
        """Where a pool keeps one of its tokens."""
        return self._hosted[address].vaults[mint]

    def swapped(self, pools: Mapping[Pubkey, HostedPool], vaults: Mapping[Pubkey, Account]) -> None:
        """Swaps happened in the slot under way: the pools and their vaults as they are now."""
        for address, pool in pools.items():
            hosted = self._hosted[address]
            hosted.current = pool
            hosted.is_stale = True
        for key, account in vaults.items():
            self._belongs[key].accounts[key] = account

    def account(self, key: Pubkey, slot: int) -> Account | None:
        """An account of a pool, or the clock, as it is in the slot under way."""
        hosted = self._belongs.get(key)
        if hosted is not None and key == hosted.genesis.address:
            self._now(hosted, slot)
            if hosted.is_stale:
                hosted.accounts = hosted.current.accounts()
                hosted.is_stale = False
        return self.peek(key, slot)

    def peek(self, key: Pubkey, slot: int) -> Account | None:
        """The same for programs, which look at pools and not at a pool's own bytes: those may be
        of before the last swap."""
        hosted = self._belongs.get(key)
        if hosted is not None:
            return self._now(hosted, slot).accounts[key]
        return self._clock_sysvar(slot) if key == CLOCK_SYSVAR else None

    def dex_of(self, key: Pubkey) -> Dex | None:
        """The venue that an account belongs to."""
        hosted = self._belongs.get(key)
        return None if hosted is None else hosted.dex

    def is_of(self, address: Pubkey, dex: Dex | None, pair: tuple[Token, Token] | None) -> bool:
        """Whether a pool is of a venue and trades a pair, where they are given."""
        hosted = self._hosted.get(address)
        return (
            hosted is not None
            and dex in {None, hosted.dex}
            and (pair is None or {hosted.base, hosted.quote} == set(pair))
        )

    def move(self, base: Token, quote: Token, dex: Dex | None, bps: int) -> dict[str, int]:
        """Move the price of ``base`` in ``quote`` for good; the new factors by pool."""
        changed = {}
        for hosted in self._hosted.values():
            if self.is_of(hosted.genesis.address, dex, (base, quote)):
                hosted.factor_e9 = moved(hosted.factor_e9, _towards(hosted, base, bps))
                changed[hosted.name] = hosted.factor_e9
        self.recentre()
        return changed

    def recentre(self) -> None:
        """Forget the swaps of the block under way."""
        for hosted in self._hosted.values():
            hosted.slot = -1

    def _now(self, hosted: _Hosted, slot: int) -> _Hosted:
        if hosted.slot != slot:
            hosted.begin(slot, self._at(hosted, slot, hosted.factor_e9))
        return hosted

    def _at(self, hosted: _Hosted, slot: int, factor_e9: int) -> HostedPool:
        wandered = E9
        if self._options.wander:
            at_ms = self._clock.milliseconds(slot)
            wandered = wandered_e9(self._options.seed, hosted.name, BANDS[hosted.dex], at_ms)
        price = reference(hosted.base, hosted.quote, self._options.sol_price)
        price *= Fraction(wandered * factor_e9, E9 * E9)
        mint = Pubkey.from_string(hosted.base.mint)
        pool = hosted.genesis.at_price(mint, price.numerator, price.denominator)
        return pool.at_time(self._time(slot))

    def _time(self, slot: int) -> Clock:
        epoch, within = divmod(slot, _SLOTS_PER_EPOCH)
        return Clock(
            slot=slot,
            epoch_start=self._clock.unix_time(slot - within),
            epoch=epoch,
            leader_epoch=epoch + 1,
            unix_time=self._clock.unix_time(slot),
        )

    def _clock_sysvar(self, slot: int) -> Account:
        if self._clock_account is None or self._clock_account[0] != slot:
            data = CLOCK.write(self._time(slot))
            self._clock_account = slot, Account(SYSVAR_OWNER, _CLOCK_LAMPORTS, data)
        return self._clock_account[1]


def _towards(hosted: _Hosted, base: Token | None, bps: int) -> int:
    """A move of the price of ``base`` as a move of the price of the pool's own base token."""
    if base in {None, hosted.base}:
        return bps
    return BPS * BPS // (BPS + bps) - BPS


def _genesis(
    options: SimulatedOptions, clock: ChainClock, factors: Mapping[str, int]
) -> Iterator[_Hosted]:
    for venue in HOSTED:
        for base, quote in combinations(KNOWN, 2):
            pool = _create(venue, base, quote, options)
            hosted = _Hosted(venue.dex, base, quote, pool, E9)
            hosted.factor_e9 = factors.get(hosted.name, E9)
            yield hosted


def _create(venue: HostedVenue, base: Token, quote: Token, options: SimulatedOptions) -> HostedPool:
    mint_a, mint_b = (Pubkey.from_string(each.mint) for each in (base, quote))
    amount_a, amount_b = (
        options.depth_usd * 10**each.decimals * 1_000_000 // dollars_e6(each, options.sol_price)
        for each in (base, quote)
    )
    return venue.create(mint_a, mint_b, amount_a, amount_b, fee_e9=FEES_E9[venue.dex])
