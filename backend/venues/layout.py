"""Declarative layouts of account data: each field of a record declares its offset in the bytes.

One layout serves decoding and encoding. Reading extracts the declared fields; writing puts them
back over the original bytes, so that undeclared fields survive unchanged. All integers are
little-endian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar, get_type_hints

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected

POOL_ADDRESS_CACHE_MAX = 1_024
"""Most pool addresses that are cached: deriving one takes a search over hashes."""
PROGRAM_ADDRESS_CACHE_MAX = 16
"""Most programs whose own addresses are cached."""

R = TypeVar("R")


def derive_address(program: Pubkey, *seeds: bytes) -> Pubkey:
    """Derive the address that a program has for some seeds."""
    return Pubkey.find_program_address(seeds, program)[0]


LAMPORTS_PER_BYTE = 6_960
"""The lamports per byte that make an account exempt from rent."""
_ACCOUNT_OVERHEAD_BYTES = 128


def compute_rent_exemption(size: int) -> int:
    """Compute the lamports that exempt an account with ``size`` bytes of data from rent."""
    return (_ACCOUNT_OVERHEAD_BYTES + size) * LAMPORTS_PER_BYTE


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """The position of a field: its offset from the start of the account and its size in bytes."""

    offset: int
    size: int
    is_signed: bool = False


def u8(offset: int) -> FieldSpec:
    """An unsigned integer of 8 bits."""
    return FieldSpec(offset, 1)


def u16(offset: int) -> FieldSpec:
    """An unsigned integer of 16 bits."""
    return FieldSpec(offset, 2)


def u32(offset: int) -> FieldSpec:
    """An unsigned integer of 32 bits."""
    return FieldSpec(offset, 4)


def u64(offset: int) -> FieldSpec:
    """An unsigned integer of 64 bits."""
    return FieldSpec(offset, 8)


def i32(offset: int) -> FieldSpec:
    """A signed integer of 32 bits."""
    return FieldSpec(offset, 4, is_signed=True)


def i64(offset: int) -> FieldSpec:
    """A signed integer of 64 bits."""
    return FieldSpec(offset, 8, is_signed=True)


def u128(offset: int) -> FieldSpec:
    """An unsigned integer of 128 bits."""
    return FieldSpec(offset, 16)


def i128(offset: int) -> FieldSpec:
    """A signed integer of 128 bits."""
    return FieldSpec(offset, 16, is_signed=True)


def u256(offset: int) -> FieldSpec:
    """An unsigned integer of 256 bits."""
    return FieldSpec(offset, 32)


def bitmap(offset: int, bits: int) -> FieldSpec:
    """A bitmap as one unsigned integer, whose least significant bit is its first."""
    return FieldSpec(offset, bits // 8)


def key(offset: int) -> FieldSpec:
    """A public key."""
    return FieldSpec(offset, 32)


class Layout(Generic[R]):
    """The layout of one account type for a record whose fields are annotated with their position.

    Every field of ``record`` is ``Annotated[int or Pubkey, FieldSpec]``. The record is a dataclass,
    or a named tuple if it is wide and changes with every swap: a named tuple replaces some of its
    fields much faster.
    """

    def __init__(
        self, record: Callable[..., R], name: str, size: int, discriminator: bytes = b""
    ) -> None:
        self.name = name
        self.size = size
        self.discriminator = discriminator
        self._record = record
        hints = get_type_hints(record, include_extras=True)
        self._fields = tuple((f, h.__metadata__[0], h.__origin__) for f, h in hints.items())
        spans = sorted((s.offset, s.offset + s.size) for _, s, _ in self._fields)
        assert all(a[1] <= b[0] for a, b in pairwise(spans)), "fields overlap"
        assert spans[-1][1] <= size
        assert spans[0][0] >= len(discriminator)

    def read(self, data: bytes) -> R:
        """Decode the record in ``data``, which may be longer than the layout.

        Raises ``Rejected`` (``bad_pool``) if it is shorter or of another account type.
        """
        if len(data) < self.size:
            raise Rejected(
                "bad_pool", f"a {self.name} has {self.size} bytes, this account {len(data)}"
            )
        if not data.startswith(self.discriminator):
            raise Rejected("bad_pool", f"the account is not a {self.name}")
        return self._record(
            *[
                Pubkey(data[spec.offset : spec.offset + 32])
                if kind is Pubkey
                else int.from_bytes(
                    data[spec.offset : spec.offset + spec.size],
                    "little",
                    signed=spec.is_signed,
                )
                for _, spec, kind in self._fields
            ]
        )

    def write(self, record: R, over: bytes = b"") -> bytes:
        """Encode ``record`` as account data, over the bytes that it was read from (or zeros)."""
        data = bytearray(over or bytes(self.size))
        data[: len(self.discriminator)] = self.discriminator
        for name, spec, kind in self._fields:
            value = getattr(record, name)
            data[spec.offset : spec.offset + spec.size] = (
                bytes(value)
                if kind is Pubkey
                else value.to_bytes(spec.size, "little", signed=spec.is_signed)
            )
        return bytes(data)
