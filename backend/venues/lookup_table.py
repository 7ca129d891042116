"""The accounts of the Address Lookup Table program: addresses that a transaction names by index.

An address of 32 bytes then takes one byte of a transaction. Tables only grow, so an index always
means the same address; what was added in a block can be named from the next one on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.venues.layout import Layout, u8, u32, u64
from backend.venues.spl import make_account
from backend.venues.venue import Account

LOOKUP_TABLE_PROGRAM: Final = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
ADDRESSES_MAX: Final = 256
"""Most addresses of a table, which an index of one byte can tell apart."""
_BAD_TABLE: Final = "bad_lookup_table"
_KEY_BYTES: Final = 32
_TABLE_KIND: Final = 1


@dataclass(frozen=True, slots=True)
class _Header:
    kind: Annotated[int, u32(0)]
    deactivation_slot: Annotated[int, u64(4)]
    last_extended_slot: Annotated[int, u64(12)]
    last_extended_start: Annotated[int, u8(20)]


_HEADER: Final = Layout(_Header, "address lookup table", 56)


@dataclass(frozen=True, slots=True)
class LookupTable:
    """The content of a table.

    The addresses from ``last_extended_start`` on were added in ``last_extended_slot``.
    ``deactivation_slot`` is that in which its owner began to close it, if it is not ``U64_MAX``.
    """

    addresses: tuple[Pubkey, ...]
    deactivation_slot: int = U64_MAX
    last_extended_slot: int = 0
    last_extended_start: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it stays: one that is being closed is usable for some minutes only."""
        return self.deactivation_slot == U64_MAX

    def list_usable(self, slot: int) -> tuple[Pubkey, ...]:
        """List the addresses that a transaction in the block of ``slot`` can name."""
        if self.last_extended_slot >= slot:
            return self.addresses[: self.last_extended_start]
        return self.addresses

    def encode_account(self) -> Account:
        """Encode the account of a table that nobody may change."""
        header = _Header(
            _TABLE_KIND, self.deactivation_slot, self.last_extended_slot, self.last_extended_start
        )
        return make_account(
            LOOKUP_TABLE_PROGRAM, _HEADER.write(header) + b"".join(map(bytes, self.addresses))
        )


def decode_lookup_table(account: Account | None) -> LookupTable:
    """Decode a table. Raises ``Rejected`` (``bad_lookup_table``) if the account is none."""
    if account is None:
        raise Rejected(_BAD_TABLE, "the account does not exist")
    if account.owner != LOOKUP_TABLE_PROGRAM:
        raise Rejected(_BAD_TABLE, f"the account belongs to {account.owner}")
    size = len(account.data) - _HEADER.size
    if size < 0 or size % _KEY_BYTES or size > ADDRESSES_MAX * _KEY_BYTES:
        raise Rejected(_BAD_TABLE, f"{len(account.data)} bytes are no size of a table")
    header = _HEADER.read(account.data)
    if header.kind != _TABLE_KIND:
        raise Rejected(_BAD_TABLE, "the table is not initialized")
    addresses = tuple(
        Pubkey(account.data[at : at + _KEY_BYTES])
        for at in range(_HEADER.size, len(account.data), _KEY_BYTES)
    )
    return LookupTable(
        addresses, header.deactivation_slot, header.last_extended_slot, header.last_extended_start
    )
