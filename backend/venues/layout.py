"""Account data as records: each field of a record names its own place in the bytes.

A layout is written down once and serves both ways. Reading takes the fields that the engine
knows; writing puts them back over the bytes they came from, so that what it does not know
survives unchanged. All integers are little-endian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar, get_type_hints

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected

POOLS_REMEMBERED = 1_024
"""Addresses of pools that are kept: each takes a search by hashing to find."""

R = TypeVar("R")

LAMPORTS_PER_BYTE = 6_960
"""What an account must hold for each byte to be exempt from rent."""
_ACCOUNT_OVERHEAD = 128


def rent_exempt(size: int) -> int:
    """The lamports that an account of ``size`` bytes of data must hold."""
    return (_ACCOUNT_OVERHEAD + size) * LAMPORTS_PER_BYTE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field is: the offset from the start of the account and the size in bytes."""

    offset: int
    size: int
    is_signed: bool = False


def u8(offset: int) -> Place:
    """An unsigned byte."""
    return Place(offset, 1)


def u16(offset: int) -> Place:
    """An unsigned integer of 16 bits."""
    return Place(offset, 2)


def u32(offset: int) -> Place:
    """An unsigned integer of 32 bits."""
    return Place(offset, 4)


def u64(offset: int) -> Place:
    """An unsigned integer of 64 bits."""
    return Place(offset, 8)


def i64(offset: int) -> Place:
    """A signed integer of 64 bits."""
    return Place(offset, 8, is_signed=True)


def u128(offset: int) -> Place:
    """An unsigned integer of 128 bits."""
    return Place(offset, 16)


def u256(offset: int) -> Place:
    """An unsigned integer of 256 bits."""
    return Place(offset, 32)


def key(offset: int) -> Place:
    """A public key."""
    return Place(offset, 32)


class Layout(Generic[R]):
    """How one kind of account keeps a record whose fields are annotated with their places.

    Every field of ``record`` is ``Annotated[int or Pubkey, place]``. It is a dataclass, or a named
    tuple if it is wide and changes with every swap: that replaces some of its fields much faster.
    """

    def __init__(
        self, record: Callable[..., R], name: str, size: int, discriminator: bytes = b""
    ) -> None:
        self.name = name
        self.size = size
        self.discriminator = discriminator
        self._record = record
        hints = get_type_hints(record, include_extras=True)
        self._places = tuple((f, h.__metadata__[0], h.__origin__) for f, h in hints.items())
        ends = sorted((p.offset, p.offset + p.size) for _, p, _ in self._places)
        assert all(a[1] <= b[0] for a, b in pairwise(ends)), "fields overlap"
        assert ends[-1][1] <= size
        assert ends[0][0] >= len(discriminator)

    def read(self, data: bytes) -> R:
        """The record in ``data``, which may be longer than the layout.

        Raises ``Rejected`` (``bad_pool``) if it is shorter or of another kind.
        """
        if len(data) < self.size:
            raise Rejected(
                "bad_pool", f"a {self.name} has {self.size} bytes, this account {len(data)}"
            )
        if not data.startswith(self.discriminator):
            raise Rejected("bad_pool", f"the account is not a {self.name}")
        return self._record(
            *[
                Pubkey(data[place.offset : place.offset + 32])
                if kind is Pubkey
                else int.from_bytes(
                    data[place.offset : place.offset + place.size],
                    "little",
                    signed=place.is_signed,
                )
                for _, place, kind in self._places
            ]
        )

    def write(self, record: R, over: bytes = b"") -> bytes:
        """``record`` as account data, over the bytes that it was read from (or zeros)."""
        data = bytearray(over or bytes(self.size))
        data[: len(self.discriminator)] = self.discriminator
        for name, place, kind in self._places:
            value = getattr(record, name)
            data[place.offset : place.offset + place.size] = (
                bytes(value)
                if kind is Pubkey
                else value.to_bytes(place.size, "little", signed=place.is_signed)
            )
        return bytes(data)
