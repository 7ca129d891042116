"""The execution context of a transaction: its accounts, with its own changes on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Never

from solders.pubkey import Pubkey

from backend.simulator.wire.transaction_parser import ParsedTransaction
from backend.venues.hosting import HostedPool
from backend.venues.venue import Account

OUT_OF_UNITS: Final = "ComputationalBudgetExceeded"
"""The error of a program of the runtime itself; the others end otherwise: see ``runtime``."""
_ERROR_MESSAGES: Final = {
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
    OUT_OF_UNITS: "Computational budget exceeded",
}

ErrorKind = int | str
"""A program's custom error number (``Custom`` in JSON), or the name of a runtime error."""


class InstructionFailed(Exception):
    """An instruction failed; ``log_lines`` are what its program logged before."""

    def __init__(self, kind: ErrorKind, log_lines: Sequence[str] = ()) -> None:
        super().__init__(kind)
        self.kind = kind
        self.log_lines = tuple(log_lines)


def fail(kind: ErrorKind, *log_lines: str) -> Never:
    """Raise ``InstructionFailed`` with the lines that the program logs about it."""
    raise InstructionFailed(kind, log_lines)


def format_failure_line(program: Pubkey, kind: ErrorKind) -> str:
    """The log line of the runtime for a failed program."""
    message = (
        f"custom program error: {kind:#x}"
        if isinstance(kind, int)
        else _ERROR_MESSAGES.get(kind, kind)
    )
    return f"Program {program} failed: {message}"


@dataclass(frozen=True, slots=True)
class SwapRecord:
    """A swap that an instruction requested.

    ``amount_out`` is 0 unless it succeeded, and with it all of its transaction.
    """

    pool: Pubkey
    owner: Pubkey
    mint_in: Pubkey
    mint_out: Pubkey
    amount_in: int
    amount_out: int


def sum_swaps(swaps: Sequence[SwapRecord]) -> SwapRecord | None:
    """Sum the swaps of a transaction: what was paid of the first token and received of the last.

    ``pool`` is the one that paid most. What was bought and spent in between is not part of it.
    """
    if len(swaps) < 2:
        return swaps[0] if swaps else None
    mint_in, mint_out = swaps[0].mint_in, swaps[-1].mint_out
    paying = [swap for swap in swaps if swap.mint_out == mint_out]
    return SwapRecord(
        max(paying, key=lambda swap: swap.amount_out).pool,
        swaps[0].owner,
        mint_in,
        mint_out,
        sum(swap.amount_in for swap in swaps if swap.mint_in == mint_in),
        sum(swap.amount_out for swap in paying),
    )


@dataclass(frozen=True, slots=True)
class Program:
    """What a program does with its accounts and its data, and the compute units that it takes.

    One that ``is_builtin`` is part of the runtime, and fails otherwise when it has too few.
    """

    execute: Callable[[TransactionContext, Sequence[Pubkey], bytes], None]
    compute_units: int
    is_builtin: bool = False


@dataclass(frozen=True, slots=True)
class ChainView:
    """Read access to the state of the chain, as a transaction needs it.

    ``programs`` are all that there are, by their addresses. ``get_vault`` returns the token account
    in which a pool keeps one of its mints, ``is_pool_account`` identifies the accounts that only
    swaps may change, and ``draw_failure`` is called once by each swap and returns the reason of an
    injected failure, if any.
    """

    programs: Mapping[Pubkey, Program]
    get_account: Callable[[Pubkey], Account | None]
    get_pool: Callable[[Pubkey], HostedPool | None]
    get_vault: Callable[[Pubkey, Pubkey], Pubkey]
    is_pool_account: Callable[[Pubkey], bool]
    draw_failure: Callable[[], str | None]


class TransactionContext:
    """The uncommitted state of one transaction: copy-on-write over a ``ChainView``.

    Nothing is visible outside until ``changes``, ``pools`` and ``vaults`` are committed.
    """

    __slots__ = (
        "accounts_before",
        "changes",
        "compute_unit_limit",
        "compute_units",
        "pools",
        "signers",
        "swaps",
        "vaults",
        "view",
        "writable",
    )

    def __init__(self, view: ChainView, transaction: ParsedTransaction) -> None:
        self.view: Final = view
        self.signers: Final = transaction.signers
        self.writable: Final = transaction.writable
        self.compute_unit_limit: Final = transaction.compute_unit_limit
        self.compute_units = 0
        self.accounts_before: Final = {key: view.get_account(key) for key in transaction.keys}
        self.changes: dict[Pubkey, Account | None] = {}
        self.vaults: dict[Pubkey, Account] = {}
        self.pools: dict[Pubkey, HostedPool] = {}
        self.swaps: list[SwapRecord] = []

    def get_account(self, key: Pubkey) -> Account | None:
        """An account with the changes of this transaction so far."""
        if key in self.changes:
            return self.changes[key]
        return self.vaults.get(key) or self.accounts_before[key]

    def put_account(self, key: Pubkey, account: Account | None) -> None:
        """Replace an account, which the message must have marked as writable."""
        if key not in self.writable:
            fail("ReadonlyDataModified")
        if self.view.is_pool_account(key):
            fail("InvalidAccountData")
        self.changes[key] = account

    def get_pool(self, address: Pubkey) -> HostedPool | None:
        """A pool with the swaps of this transaction so far."""
        return self.pools.get(address) or self.view.get_pool(address)

    @property
    def units_left(self) -> int:
        """The compute units that the transaction has left."""
        return self.compute_unit_limit - self.compute_units

    def consume_units(self, units: int) -> None:
        """Consume compute units; the instruction fails if the transaction has not as many left."""
        self.compute_units += units
        if self.compute_units > self.compute_unit_limit:
            self.compute_units = self.compute_unit_limit
            fail(OUT_OF_UNITS)

    def require_signer(self, key: Pubkey) -> None:
        """Fail the instruction unless the account signed the transaction."""
        if key not in self.signers:
            fail("MissingRequiredSignature")


def take_accounts(keys: Sequence[Pubkey], count: int) -> Sequence[Pubkey]:
    """The first ``count`` accounts of an instruction, which fails if it has fewer."""
    if len(keys) < count:
        fail("NotEnoughAccountKeys")
    return keys[:count]


def read_u64(data: bytes, at: int) -> int:
    """An integer of the instruction data; the instruction fails if the data is too short."""
    if len(data) < at + 8:
        fail("InvalidInstructionData")
    return int.from_bytes(data[at : at + 8], "little")
