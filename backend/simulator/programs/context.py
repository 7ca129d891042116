"""What an instruction works on: the accounts as its transaction has changed them so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Never

from solders.pubkey import Pubkey

from backend.simulator.wire.transaction_parser import Parsed
from backend.venues.hosting import HostedPool
from backend.venues.venue import Account

_WORDS: Final = {
    "MissingRequiredSignature": "missing required signature for instruction",
    "InvalidAccountData": "invalid account data for instruction",
    "InvalidInstructionData": "invalid instruction data",
    "InvalidArgument": "invalid program argument",
    "IncorrectProgramId": "incorrect program id for instruction",
    "NotEnoughAccountKeys": "insufficient account keys for instruction",
    "InvalidSeeds": "Provided seeds do not result in a valid address",
    "IllegalOwner": "Provided owner is not allowed",
    "UnsupportedProgramId": "Unsupported program id",
    "ReadonlyDataModified": "instruction modified data of a read-only account",
    "ProgramFailedToComplete": "Program failed to complete",
    "ComputationalBudgetExceeded": "Computational budget exceeded",
}

ErrorKind = int | str
"""A program's own number (``Custom`` in JSON), or the runtime's word."""


class InstructionFailed(Exception):
    """An instruction refuses; ``lines`` are what it logged before."""

    def __init__(self, kind: ErrorKind, lines: Sequence[str] = ()) -> None:
        super().__init__(kind)
        self.kind = kind
        self.lines = tuple(lines)


def fail(kind: ErrorKind, *lines: str) -> Never:
    """Raise ``InstructionFailed``, with what the program says about it."""
    raise InstructionFailed(kind, lines)


def failed_line(program: Pubkey, kind: ErrorKind) -> str:
    """The line that the runtime logs when a program fails."""
    words = f"custom program error: {kind:#x}" if isinstance(kind, int) else _WORDS.get(kind, kind)
    return f"Program {program} failed: {words}"


@dataclass(frozen=True, slots=True)
class Swapped:
    """A swap that an instruction asked for; ``amount_out`` is 0 unless it succeeded."""

    pool: Pubkey
    owner: Pubkey
    mint_in: Pubkey
    mint_out: Pubkey
    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class View:
    """Where a transaction finds what it works on.

    ``vault`` is where a pool keeps one of its tokens, ``is_pools`` tells the accounts that only
    swaps change, and ``forced`` is asked by each swap for a reason to fail that is not the
    chain's own.
    """

    account: Callable[[Pubkey], Account | None]
    pool: Callable[[Pubkey], HostedPool | None]
    vault: Callable[[Pubkey, Pubkey], Pubkey]
    is_pools: Callable[[Pubkey], bool]
    forced: Callable[[], str | None]


class Context:
    """One transaction's view of its accounts. The bank knows nothing of it until ``changes``,
    ``pools`` and ``vaults`` are committed."""

    __slots__ = ("before", "changes", "pools", "signers", "swaps", "vaults", "view", "writable")

    def __init__(self, view: View, parsed: Parsed) -> None:
        self.view: Final = view
        self.signers: Final = parsed.signers
        self.writable: Final = parsed.writable
        self.before: Final = {key: view.account(key) for key in parsed.keys}
        self.changes: dict[Pubkey, Account | None] = {}
        self.vaults: dict[Pubkey, Account] = {}
        self.pools: dict[Pubkey, HostedPool] = {}
        self.swaps: list[Swapped] = []

    def get(self, key: Pubkey) -> Account | None:
        """An account, as the transaction has left it."""
        if key in self.changes:
            return self.changes[key]
        return self.vaults.get(key) or self.before[key]

    def put(self, key: Pubkey, account: Account | None) -> None:
        """Replace an account; the message must have named it writable."""
        if key not in self.writable:
            fail("ReadonlyDataModified")
        if self.view.is_pools(key):
            fail("InvalidAccountData")
        self.changes[key] = account

    def pool(self, address: Pubkey) -> HostedPool | None:
        """A pool, as the transaction has left it."""
        return self.pools.get(address) or self.view.pool(address)

    def must_sign(self, key: Pubkey) -> None:
        """Fail unless an account signed the transaction."""
        if key not in self.signers:
            fail("MissingRequiredSignature")


def take(keys: Sequence[Pubkey], count: int) -> Sequence[Pubkey]:
    """The first ``count`` accounts of an instruction; fails if it has fewer."""
    if len(keys) < count:
        fail("NotEnoughAccountKeys")
    return keys[:count]


def u64(data: bytes, at: int) -> int:
    """A number of an instruction's data; fails if the data ends before it."""
    if len(data) < at + 8:
        fail("InvalidInstructionData")
    return int.from_bytes(data[at : at + 8], "little")
