"""The tick arrays of Raydium CLMM: accounts with 60 neighbouring ticks each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.layout import Layout, derive_address, i32, i128, key, u8, u64, u128
from backend.venues.raydium.clmm.accounts import ARRAY_TICKS
from backend.venues.spl import make_account
from backend.venues.venue import Account

ARRAY_ADDRESS_CACHE_MAX: Final = 8_192
_ARRAY_CACHE_MAX: Final = 512
_TICKS_OFFSET: Final = 44
_TICK_SIZE: Final = 168
_ZEROS: Final = bytes(16)
_COUNT_OFFSET: Final = _TICKS_OFFSET + ARRAY_TICKS * _TICK_SIZE


class Tick(NamedTuple):
    """A tick: the liquidity that begins or ends there, and the limit orders at its price.

    ``orders`` have not been matched at all, ``part_filled`` is what remains of the older ones.
    Growths of rewards are not named: they survive unchanged.
    """

    tick: Annotated[int, i32(0)]
    liquidity_net: Annotated[int, i128(4)] = 0
    liquidity_gross: Annotated[int, u128(20)] = 0
    fee_growth_outside0: Annotated[int, u128(36)] = 0
    fee_growth_outside1: Annotated[int, u128(52)] = 0
    order_phase: Annotated[int, u64(116)] = 0
    orders: Annotated[int, u64(124)] = 0
    part_filled: Annotated[int, u64(132)] = 0
    unfilled_ratio: Annotated[int, u128(140)] = 0

    @property
    def has_orders(self) -> bool:
        """Whether limit orders wait here."""
        return self.orders > 0 or self.part_filled > 0

    @property
    def is_initialized(self) -> bool:
        """Whether a swap stops here."""
        return self.liquidity_gross > 0 or self.has_orders


_TICK = Layout(Tick, "tick", _TICK_SIZE)


@dataclass(frozen=True, slots=True)
class _Header:
    pool: Annotated[Pubkey, key(8)]
    start: Annotated[int, i32(40)]
    initialized_count: Annotated[int, u8(_COUNT_OFFSET)]


_HEADER = Layout(_Header, "Raydium CLMM tick array", 10_240, bytes.fromhex("c09b55cd31f9812a"))


@lru_cache(ARRAY_ADDRESS_CACHE_MAX)
def derive_array_address(program: Pubkey, pool: Pubkey, start: int) -> Pubkey:
    """Derive the address of the tick array of a pool that starts at the tick ``start``."""
    seeds = [b"tick_array", bytes(pool), start.to_bytes(4, "big", signed=True)]
    return derive_address(program, *seeds)


@dataclass(frozen=True, slots=True)
class TickArray:
    """A tick array, whose ticks are decoded when they are needed; ``account`` is up to date."""

    start: int
    tick_spacing: int
    account: Account

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """The initialized ticks in ascending order; raises ``Rejected`` (``bad_pool``)."""
        return _read_ticks(self.account.data, self.start, self.tick_spacing)

    def find_tick(self, tick: int, *, upwards: bool) -> Tick | None:
        """Find the nearest initialized tick above ``tick``, or the nearest at or below it."""
        if upwards:
            return next((each for each in self.ticks if each.tick > tick), None)
        return next((each for each in reversed(self.ticks) if each.tick <= tick), None)

    def with_ticks(self, changed: Iterable[Tick]) -> TickArray:
        """The array after changes of some of its ticks."""
        data = bytearray(self.account.data)
        for tick in changed:
            at = _TICKS_OFFSET + (tick.tick - self.start) // self.tick_spacing * _TICK_SIZE
            data[at : at + _TICK_SIZE] = _TICK.write(tick, bytes(data[at : at + _TICK_SIZE]))
        after = TickArray(self.start, self.tick_spacing, replace(self.account, data=bytes(data)))
        data[_COUNT_OFFSET] = len(after.ticks)
        return TickArray(self.start, self.tick_spacing, replace(self.account, data=bytes(data)))


@lru_cache(_ARRAY_CACHE_MAX)
def _read_ticks(data: bytes, start: int, tick_spacing: int) -> tuple[Tick, ...]:
    """Cached, because most arrays do not change from one read of a pool to the next."""
    ticks = []
    for n in range(ARRAY_TICKS):
        at = _TICKS_OFFSET + n * _TICK_SIZE
        # Most ticks are not initialized, and to see that is much faster than to decode them.
        if data[at + 20 : at + 36] != _ZEROS or data[at + 124 : at + 140] != _ZEROS:
            tick = _TICK.read(data[at : at + _TICK_SIZE])
            if tick.tick != start + n * tick_spacing:
                raise Rejected("bad_pool", f"the tick array at {start} is malformed")
            ticks.append(tick)
    return tuple(ticks)


def read_tick_array(
    program: Pubkey, pool: Pubkey, start: int, tick_spacing: int, account: Account
) -> TickArray:
    """Read a tick array of a pool; raises ``Rejected`` (``bad_pool``) if it is another account."""
    if account.owner != program:
        raise Rejected("bad_pool", f"a tick array of the pool {pool} is not the program's")
    header = _HEADER.read(account.data)
    if (header.pool, header.start) != (pool, start):
        raise Rejected("bad_pool", f"a tick array of the pool {pool} is not the pool's")
    return TickArray(start, tick_spacing, account)


def create_tick_array(
    program: Pubkey, pool: Pubkey, start: int, tick_spacing: int, ticks: Iterable[Tick]
) -> TickArray:
    """Create a tick array with these ticks."""
    data = _HEADER.write(_Header(pool, start, 0))
    return TickArray(start, tick_spacing, make_account(program, data)).with_ticks(ticks)
