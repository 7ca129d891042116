"""Reads the instructions of the system program that swaps need: a transfer, an account by seed."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.signer.messages import Call
from backend.signer.policy import refuse
from backend.venues.spl import TOKEN_PROGRAM

TRANSFER: Final = (2).to_bytes(4, "little")
CREATE_WITH_SEED: Final = (3).to_bytes(4, "little")
_SEED_BYTES_MAX: Final = 32
_TRANSFER: Final = struct.Struct("<4xQ")
_CREATION_HEAD: Final = struct.Struct("<4x32sQ")
_CREATION_TAIL: Final = struct.Struct("<QQ32s")


class Transfer(NamedTuple):
    """A transfer of lamports."""

    payer: Pubkey
    payee: Pubkey
    lamports: int


class Creation(NamedTuple):
    """The creation of an account at an address that is derived from ``base`` and ``seed``."""

    payer: Pubkey
    address: Pubkey
    base: Pubkey
    seed: str
    lamports: int
    space: int
    owner: Pubkey


def read_transfer(call: Call) -> Transfer:
    """Read a transfer. Raises ``Rejected``."""
    if len(call.data) != _TRANSFER.size or len(call.accounts) != 2:
        refuse("its transfer is malformed")
    return Transfer(*call.accounts, *_TRANSFER.unpack(call.data))


def read_creation(call: Call) -> Creation:
    """Read the creation of an account by a seed, whose base pays. Raises ``Rejected``."""
    head, tail = _CREATION_HEAD.size, _CREATION_TAIL.size
    if len(call.accounts) != 2 or len(call.data) < head + tail:
        refuse("its creation of an account is malformed")
    base, size = _CREATION_HEAD.unpack_from(call.data)
    seed = call.data[head:-tail]
    if size != len(seed) or size > _SEED_BYTES_MAX or not seed.isascii():
        refuse("its creation of an account is malformed")
    lamports, space, owner = _CREATION_TAIL.unpack(call.data[-tail:])
    payer, address = call.accounts
    return Creation(payer, address, Pubkey(base), seed.decode(), lamports, space, Pubkey(owner))


def derive_with_seed(base: Pubkey, seed: str) -> Pubkey:
    """Derive the address of the token account with a seed."""
    return Pubkey.create_with_seed(base, seed, TOKEN_PROGRAM)
