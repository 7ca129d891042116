"""The bin arrays of Meteora DLMM: accounts with 70 neighbouring bins each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from struct import Struct
from typing import Annotated, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.layout import Layout, derive_address, i64, key, u8, u32, u64, u128
from backend.venues.spl import make_account
from backend.venues.venue import Account

ARRAY_BINS: Final = 70
ARRAY_ADDRESS_CACHE_MAX: Final = 8_192
_BINS_OFFSET: Final = 56
_BIN_SIZE: Final = 144
_LATEST_VERSION: Final = 2


class Bin(NamedTuple):
    """A bin: the amounts of its liquidity providers, and the limit orders at its price.

    Newer orders are open; those that remain of older ones are being processed. They sell x if
    ``ask_side`` is set. The price is 0 until the bin is first used. Fees are what the orders of
    either side have earned, and what one unit of liquidity has, in Q64.64.
    """

    amount_x: Annotated[int, u64(0)] = 0
    amount_y: Annotated[int, u64(8)] = 0
    price: Annotated[int, u128(16)] = 0
    liquidity_supply: Annotated[int, u128(32)] = 0
    filled_x: Annotated[int, u64(48)] = 0
    filled_y: Annotated[int, u64(56)] = 0
    fee_ask_side: Annotated[int, u64(64)] = 0
    fee_bid_side: Annotated[int, u64(72)] = 0
    fee_x_per_liquidity: Annotated[int, u128(80)] = 0
    fee_y_per_liquidity: Annotated[int, u128(96)] = 0
    open_orders: Annotated[int, u64(112)] = 0
    processing_total: Annotated[int, u64(120)] = 0
    processing_left: Annotated[int, u64(128)] = 0
    order_age: Annotated[int, u32(136)] = 0
    ask_side: Annotated[int, u8(140)] = 0


_BIN = Layout(Bin, "bin", _BIN_SIZE)


class BinDepth(NamedTuple):
    """What a quote needs of a bin; see ``Bin``."""

    amount_x: int
    amount_y: int
    price: int
    open_orders: int
    processing_left: int
    ask_side: int

    def get_orders(self, *, swap_for_y: bool) -> tuple[int, int]:
        """The orders that a swap can fill: what remains of the older ones, and the newer ones."""
        if bool(self.ask_side) == swap_for_y:
            return 0, 0
        return self.processing_left, self.open_orders

    def has_output(self, *, swap_for_y: bool, with_orders: bool) -> bool:
        """Whether a swap can take anything out."""
        if self.amount_y if swap_for_y else self.amount_x:
            return True
        return with_orders and any(self.get_orders(swap_for_y=swap_for_y))


_POOL_PART = Struct("<QQQQ")
"""Both amounts, and the two halves of the price."""
_ORDER_PART = Struct("<Q8xQ4xB")
"""Open orders, what remains of older ones, and their side."""
_ORDERS_OFFSET: Final = 112


@dataclass(frozen=True, slots=True)
class _Header:
    index: Annotated[int, i64(8)]
    version: Annotated[int, u8(16)]
    pool: Annotated[Pubkey, key(24)]


_HEADER = Layout(_Header, "Meteora DLMM bin array", 10_136, bytes.fromhex("5c8e5cdc059446b5"))


@lru_cache(ARRAY_ADDRESS_CACHE_MAX)
def derive_array_address(program: Pubkey, pool: Pubkey, index: int) -> Pubkey:
    """Derive the address of a bin array of a pair."""
    seeds = [b"bin_array", bytes(pool), index.to_bytes(8, "little", signed=True)]
    return derive_address(program, *seeds)


@dataclass(frozen=True, slots=True)
class BinArray:
    """A bin array, whose bins are decoded when they are needed; ``account`` is up to date."""

    index: int
    account: Account

    @property
    def first(self) -> int:
        """The id of its first bin."""
        return self.index * ARRAY_BINS

    def get_bin(self, bin_id: int) -> Bin:
        """One of its bins."""
        at = _BINS_OFFSET + (bin_id - self.first) * _BIN_SIZE
        return _BIN.read(self.account.data[at : at + _BIN_SIZE])

    def get_depth(self, bin_id: int) -> BinDepth:
        """What a quote needs of one of its bins: much faster to read than the whole."""
        at, data = _BINS_OFFSET + (bin_id - self.first) * _BIN_SIZE, self.account.data
        x, y, low, high = _POOL_PART.unpack_from(data, at)
        return BinDepth(x, y, high << 64 | low, *_ORDER_PART.unpack_from(data, at + _ORDERS_OFFSET))

    def with_bins(self, changed: Mapping[int, Bin]) -> BinArray:
        """The array after changes of some of its bins."""
        data = bytearray(self.account.data)
        for bin_id, changed_bin in changed.items():
            at = _BINS_OFFSET + (bin_id - self.first) * _BIN_SIZE
            data[at : at + _BIN_SIZE] = _BIN.write(changed_bin, bytes(data[at : at + _BIN_SIZE]))
        return BinArray(self.index, replace(self.account, data=bytes(data)))


def read_bin_array(program: Pubkey, pool: Pubkey, index: int, account: Account) -> BinArray:
    """Read a bin array of a pair; raises ``Rejected`` (``bad_pool``) if it is another account."""
    if account.owner != program:
        raise Rejected("bad_pool", f"a bin array of the pool {pool} is not the program's")
    header = _HEADER.read(account.data)
    if (header.pool, header.index) != (pool, index):
        raise Rejected("bad_pool", f"a bin array of the pool {pool} is not the pool's")
    return BinArray(index, account)


def create_bin_array(
    program: Pubkey, pool: Pubkey, index: int, bins: Mapping[int, Bin]
) -> BinArray:
    """Create a bin array with these bins, by their ids."""
    data = _HEADER.write(_Header(index, _LATEST_VERSION, pool))
    return BinArray(index, make_account(program, data)).with_bins(bins)
