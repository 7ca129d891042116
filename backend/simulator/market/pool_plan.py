"""Which pools a chain has from the start.

By default it is one pool of each pair in one program of each exchange. A chain with many pools has
more of some pairs, in all programs: deep and shallow ones with other fees, one whose price is
stale, and two that do not trade. It also has a token with a transfer fee.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import combinations
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, Token
from backend.domain.tokens import JUP, KNOWN_TOKENS, SOL, USDC, USDT
from backend.simulator.dress import DRESSES
from backend.simulator.market.mints import FEE_TOKEN, encode_fee_token
from backend.simulator.market.prices import usd_price_e6
from backend.simulator.options import SimulatorOptions
from backend.venues import Venues
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.raydium.cpmm import Cpmm

POOL_FEES_E9: Final[Mapping[str, int]] = {
    "cpmm": 3_000_000,
    "damm_v2": 2_000_000,
    "amm_v4": 2_500_000,
    "clmm": 2_500_000,
    "dlmm": 2_000_000,
}
"""The fees of the default pools, by the name of their program."""
_ALL_PAIRS_PROGRAMS: Final = ("cpmm", "damm_v2")
DEEP_PAIRS: Final = ((SOL, USDC), (SOL, USDT), (SOL, JUP))
"""The pairs of which a chain with many pools has most."""
_FEE_TOKEN_DEPTH_BPS: Final = 1_000
_FAR_AHEAD: Final = 4_102_444_800
"""The year 2100, in seconds since 1970."""
_CPMM_STATUS_OFFSET: Final = 329
_CPMM_SWAP_DISABLED: Final = b"\x04"


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """A pool that a chain has from the start.

    ``label`` tells it from the default pool of its program and tokens, and makes its address.
    ``depth_bps`` is its depth as a share of that of a default pool. The price of a stale one does
    not follow the market.
    """

    venue: HostedVenue
    base: Token
    quote: Token
    fee_e9: int
    depth_bps: int = BPS
    label: str = ""
    is_stale: bool = False
    is_disabled: bool = False
    open_time: int = 0

    @property
    def name(self) -> str:
        """The key of its price walk and of its stored price factor."""
        pair = f"{self.base.symbol}/{self.quote.symbol}"
        if self.venue.name in _ALL_PAIRS_PROGRAMS and not self.label:
            return f"{self.venue.dex}/{pair}"
        return "/".join(filter(None, (self.venue.dex, self.venue.name, pair, self.label)))

    def create_pool(self, options: SimulatorOptions) -> HostedPool:
        """Create the pool, at about the price of the market."""
        depth_usd = options.depth_usd * self.depth_bps
        base, quote = (
            depth_usd * 10**token.decimals * 1_000_000 // usd_price_e6(token, options.sol_price)
            for token in (self.base, self.quote)
        )
        pool = self.venue.create_pool(
            Pubkey.from_string(self.base.mint),
            Pubkey.from_string(self.quote.mint),
            base // BPS,
            quote // BPS,
            fee_e9=self.fee_e9,
            open_time=self.open_time,
            address=self._choose_address(options),
            mints={
                Pubkey.from_string(token.mint): encode_fee_token()
                for token in (self.base, self.quote)
                if token == FEE_TOKEN
            },
        )
        return _disable_cpmm(DRESSES[options.dress].venues.cpmm, pool) if self.is_disabled else pool

    def _choose_address(self, options: SimulatorOptions) -> Pubkey | None:
        """The address of a pool that is not where its program derives it; else ``None``."""
        if not self.label and DRESSES[options.dress].has_default_pools:
            return None
        return Pubkey(sha256(self.name.encode()).digest())


def list_plans(options: SimulatorOptions) -> Iterator[PoolPlan]:
    """The pools of a chain with these options."""
    venues = DRESSES[options.dress].venues
    default: tuple[HostedVenue, ...] = (venues.cpmm, venues.damm_v2)
    for venue in default:
        for base, quote in combinations(KNOWN_TOKENS, 2):
            yield PoolPlan(venue, base, quote, POOL_FEES_E9[venue.name])
    if options.has_many_pools:
        for base, quote in DEEP_PAIRS:
            yield from _list_more(venues, base, quote)
        for venue in (*default, venues.clmm):
            for token in (SOL, USDC):
                fee_e9 = POOL_FEES_E9[venue.name]
                yield PoolPlan(venue, token, FEE_TOKEN, fee_e9, _FEE_TOKEN_DEPTH_BPS)


def _list_more(venues: Venues, base: Token, quote: Token) -> Iterator[PoolPlan]:
    """The pools of a pair besides those that every pair has."""
    for venue in (venues.amm_v4, venues.clmm, venues.dlmm):
        yield PoolPlan(venue, base, quote, POOL_FEES_E9[venue.name])
    by_name = {venue.name: venue for venue in venues.hosted}
    for name, label, fee_e9, depth_bps in _TIERS:
        yield PoolPlan(by_name[name], base, quote, fee_e9, depth_bps, label)
    yield PoolPlan(venues.amm_v4, base, quote, 2_500_000, 5, "stale", is_stale=True)
    yield PoolPlan(venues.cpmm, base, quote, 2_500_000, 5_000, "disabled", is_disabled=True)
    yield PoolPlan(venues.damm_v2, base, quote, 500_000, 5_000, "unopened", open_time=_FAR_AHEAD)


_TIERS: Final[tuple[tuple[str, str, int, int], ...]] = (
    ("clmm", "low fee", 500_000, 4_000),
    ("clmm", "high fee", 10_000_000, 300),
    ("dlmm", "low fee", 1_000_000, 3_000),
    ("dlmm", "high fee", 5_000_000, 500),
    ("cpmm", "high fee", 10_000_000, 200),
    ("damm_v2", "low fee", 1_000_000, 1_000),
    ("amm_v4", "shallow", 2_500_000, 10),
)
"""Program, label, fee, and depth of further pools of a pair."""


def _disable_cpmm(venue: Cpmm, pool: HostedPool) -> HostedPool:
    """The same pool with its swaps switched off."""
    accounts = pool.encode_quote_accounts()
    own = accounts[pool.address]
    assert own is not None
    at = _CPMM_STATUS_OFFSET
    data = own.data[:at] + _CPMM_SWAP_DISABLED + own.data[at + 1 :]
    changed = {**accounts, pool.address: replace(own, data=data)}
    return venue.decode_pool(pool.address, changed, pool.slot)
