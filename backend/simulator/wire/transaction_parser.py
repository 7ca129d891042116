"""The parser of serialised transactions, which validates all bytes before anything uses them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.hash import Hash
from solders.message import MessageAddressTableLookup, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import SanitizeError, VersionedTransaction

from backend.simulator.wire import base58

WIRE_BYTES_MAX: Final = 1_232
_BASE58_LENGTH_MAX: Final = 1_683
_BASE64_LENGTH_MAX: Final = 1_644
_COMPUTE_UNITS_MAX: Final = 1_400_000
_UNITS_PER_INSTRUCTION: Final = 200_000
_LAMPORTS_PER_SIGNATURE: Final = 5_000
_MICROLAMPORTS_PER_LAMPORT: Final = 1_000_000
_SIGNATURE_BYTES: Final = 64
_VERSION_BIT: Final = 0x80
"""The bit in the first byte of a message that marks it as versioned."""

TransactionVersion: TypeAlias = Literal[0, "legacy"]


class MalformedTransaction(Exception):
    """The bytes are not a transaction that this chain supports."""


class Instruction(NamedTuple):
    """An instruction with its account indexes resolved to addresses."""

    program: Pubkey
    keys: Sequence[Pubkey]
    data: bytes


class LoadedAddresses(NamedTuple):
    """The accounts that a transaction names in lookup tables, in the order of its lookups."""

    writable: Sequence[Pubkey] = ()
    readonly: Sequence[Pubkey] = ()


LoadAddresses: TypeAlias = Callable[[Sequence[MessageAddressTableLookup]], LoadedAddresses]
"""Loads what a transaction names in lookup tables, or raises ``MalformedTransaction``."""


@dataclass(frozen=True, slots=True)
class ParsedTransaction:
    """A validated transaction. The first of ``keys`` pays ``fee``.

    Behind the message's own keys, ``keys`` has the writable ones of ``loaded``, then the others.
    """

    signature: str
    wire: bytes
    versioned: VersionedTransaction
    blockhash: Hash
    keys: Sequence[Pubkey]
    loaded: LoadedAddresses
    signers: frozenset[Pubkey]
    writable: frozenset[Pubkey]
    instructions: Sequence[Instruction]
    compute_unit_limit: int
    compute_unit_price: int
    fee: int

    @property
    def version(self) -> TransactionVersion:
        """The version of the message."""
        message_offset = 1 + _SIGNATURE_BYTES * self.wire[0]
        return 0 if self.wire[message_offset] & _VERSION_BIT else "legacy"

    @property
    def programs(self) -> list[Pubkey]:
        """The programs of the instructions, in order."""
        return [instruction.program for instruction in self.instructions]

    def has_valid_signatures(self) -> bool:
        """Whether all signatures verify; this is most of the cost of processing a transaction."""
        return all(self.versioned.verify_with_results())


def _load_nothing(_lookups: Sequence[MessageAddressTableLookup]) -> LoadedAddresses:
    """Loads addresses where there are no tables."""
    raise MalformedTransaction("there are no address lookup tables")


def parse_transaction(
    wire: bytes, load_addresses: LoadAddresses = _load_nothing
) -> ParsedTransaction:
    """Parse a serialised transaction. Raises ``MalformedTransaction`` with a reason.

    ``load_addresses`` is called if it names accounts in lookup tables.
    """
    if len(wire) > WIRE_BYTES_MAX:
        raise MalformedTransaction(
            f"VersionedTransaction too large: {len(wire)} bytes (max: encoded/raw "
            f"1644/{WIRE_BYTES_MAX})"
        )
    try:
        versioned = VersionedTransaction.from_bytes(wire)
        versioned.sanitize()
    except (ValueError, SanitizeError) as error:
        raise MalformedTransaction(f"failed to deserialize VersionedTransaction: {error}") from None
    message, loaded = versioned.message, LoadedAddresses()
    if isinstance(message, MessageV0) and message.address_table_lookups:
        loaded = load_addresses(message.address_table_lookups)
    return _interpret_message(versioned, wire, loaded)


def _interpret_message(
    versioned: VersionedTransaction, wire: bytes, loaded: LoadedAddresses
) -> ParsedTransaction:
    message = versioned.message
    header, own_keys = message.header, message.account_keys
    signer_count = header.num_required_signatures
    writable = (
        *own_keys[: signer_count - header.num_readonly_signed_accounts],
        *own_keys[signer_count : len(own_keys) - header.num_readonly_unsigned_accounts],
        *loaded.writable,
    )
    keys = [*own_keys, *loaded.writable, *loaded.readonly]
    instructions = [
        Instruction(keys[i.program_id_index], [keys[index] for index in i.accounts], i.data)
        for i in message.instructions
    ]
    limit, price = _read_compute_budget(instructions)
    return ParsedTransaction(
        signature=str(versioned.signatures[0]),
        wire=wire,
        versioned=versioned,
        blockhash=message.recent_blockhash,
        keys=keys,
        loaded=loaded,
        signers=frozenset(keys[:signer_count]),
        writable=frozenset(writable),
        instructions=instructions,
        compute_unit_limit=limit,
        compute_unit_price=price,
        fee=signer_count * _LAMPORTS_PER_SIGNATURE - (-limit * price // _MICROLAMPORTS_PER_LAMPORT),
    )


def _read_compute_budget(instructions: Sequence[Instruction]) -> tuple[int, int]:
    limit, price = None, 0
    instruction_count = 0
    for instruction in instructions:
        if instruction.program != COMPUTE_BUDGET:
            instruction_count += 1
        elif instruction.data[:1] == b"\x02":
            limit = int.from_bytes(instruction.data[1:5], "little")
        elif instruction.data[:1] == b"\x03":
            price = int.from_bytes(instruction.data[1:9], "little")
    return min(
        instruction_count * _UNITS_PER_INSTRUCTION if limit is None else limit, _COMPUTE_UNITS_MAX
    ), price


def decode_transaction(text: str, encoding: str) -> bytes:
    """Decode the base64 or base58 text of a transaction. Raises ``MalformedTransaction``."""
    length_max = _BASE64_LENGTH_MAX if encoding == "base64" else _BASE58_LENGTH_MAX
    if len(text) > length_max:
        raise MalformedTransaction(
            f"{encoding} encoded VersionedTransaction too large: {len(text)} bytes "
            f"(max: encoded/raw {length_max}/{WIRE_BYTES_MAX})"
        )
    try:
        return b64decode(text, validate=True) if encoding == "base64" else base58.decode(text)
    except ValueError:
        raise MalformedTransaction(f"invalid {encoding} encoding") from None
