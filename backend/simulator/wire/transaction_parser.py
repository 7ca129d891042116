"""Transactions as they arrive: bytes that are checked before anything is done with them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.hash import Hash
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import SanitizeError, VersionedTransaction

from backend.simulator.wire import base58

WIRE_BYTES_MAX: Final = 1_232
_UNITS_MAX: Final = 1_400_000
_UNITS_EACH: Final = 200_000
_LAMPORTS_PER_SIGNATURE: Final = 5_000
_MICRO: Final = 1_000_000
_SIGNATURE_BYTES: Final = 64
_VERSIONED: Final = 0x80
"""The bit of a message's first byte that says that its version follows."""

Version: TypeAlias = Literal[0, "legacy"]


class Malformed(Exception):
    """The bytes are not a transaction that this chain can read."""


class Call(NamedTuple):
    """One instruction, with its accounts looked up."""

    program: Pubkey
    keys: Sequence[Pubkey]
    data: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """A transaction, read. The first of ``keys`` pays ``fee``."""

    signature: str
    wire: bytes
    transaction: VersionedTransaction
    blockhash: Hash
    keys: Sequence[Pubkey]
    signers: frozenset[Pubkey]
    writable: frozenset[Pubkey]
    calls: Sequence[Call]
    unit_limit: int
    fee: int

    @property
    def version(self) -> Version:
        """The version of its message."""
        after_signatures = 1 + _SIGNATURE_BYTES * self.wire[0]
        return 0 if self.wire[after_signatures] & _VERSIONED else "legacy"

    @property
    def programs(self) -> list[Pubkey]:
        """What its instructions call, in order."""
        return [call.program for call in self.calls]

    def is_signed(self) -> bool:
        """Whether every signature fits; this is most of what a transaction costs."""
        return all(self.transaction.verify_with_results())


def parse(wire: bytes) -> Parsed:
    """A transaction from its bytes. Raises ``Malformed`` with a reason."""
    if len(wire) > WIRE_BYTES_MAX:
        raise Malformed(
            f"VersionedTransaction too large: {len(wire)} bytes (max: encoded/raw "
            f"1644/{WIRE_BYTES_MAX})"
        )
    try:
        transaction = VersionedTransaction.from_bytes(wire)
        transaction.sanitize()
    except (ValueError, SanitizeError) as error:
        raise Malformed(f"failed to deserialize VersionedTransaction: {error}") from None
    message = transaction.message
    if isinstance(message, MessageV0) and message.address_table_lookups:
        raise Malformed("address lookup tables are not supported on this chain")
    return _read(transaction, wire)


def _read(transaction: VersionedTransaction, wire: bytes) -> Parsed:
    message = transaction.message
    header, keys = message.header, message.account_keys
    signers = header.num_required_signatures
    writable = (
        keys[: signers - header.num_readonly_signed_accounts]
        + keys[signers : len(keys) - header.num_readonly_unsigned_accounts]
    )
    calls = [
        Call(keys[i.program_id_index], [keys[at] for at in i.accounts], i.data)
        for i in message.instructions
    ]
    limit, price = _budget(calls)
    return Parsed(
        signature=str(transaction.signatures[0]),
        wire=wire,
        transaction=transaction,
        blockhash=message.recent_blockhash,
        keys=keys,
        signers=frozenset(keys[:signers]),
        writable=frozenset(writable),
        calls=calls,
        unit_limit=limit,
        fee=signers * _LAMPORTS_PER_SIGNATURE - (-limit * price // _MICRO),
    )


def _budget(calls: Sequence[Call]) -> tuple[int, int]:
    limit, price = None, 0
    others = 0
    for call in calls:
        if call.program != COMPUTE_BUDGET:
            others += 1
        elif call.data[:1] == b"\x02":
            limit = int.from_bytes(call.data[1:5], "little")
        elif call.data[:1] == b"\x03":
            price = int.from_bytes(call.data[1:9], "little")
    return min(others * _UNITS_EACH if limit is None else limit, _UNITS_MAX), price


_BASE58_MAX: Final = 1_683
_BASE64_MAX: Final = 1_644


def decode(text: str, encoding: str) -> bytes:
    """The bytes of a transaction in base64 or base58. Raises ``Malformed``."""
    most = _BASE64_MAX if encoding == "base64" else _BASE58_MAX
    if len(text) > most:
        raise Malformed(
            f"{encoding} encoded VersionedTransaction too large: {len(text)} bytes "
            f"(max: encoded/raw {most}/{WIRE_BYTES_MAX})"
        )
    try:
        return b64decode(text, validate=True) if encoding == "base64" else base58.decode(text)
    except ValueError:
        raise Malformed(f"invalid {encoding} encoding") from None
