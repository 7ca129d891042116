"""Outcomes of landed transactions: the fill of a successful one, the classified error of another.

A failure is read from the node's error and from the logs. The first program that the logs report
as failed is the one that refused: a venue fails because the token program failed inside it, and
the same number means different things in different programs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.rpc.results import Json, LandedTransaction
from backend.chain.transaction_costs import read_costs
from backend.domain.amounts import TransactionCosts, format_amount
from backend.domain.errors import (
    INSUFFICIENT_FUNDS,
    OUT_OF_COMPUTE,
    EngineError,
    Rejected,
    Transient,
)
from backend.domain.tokens import SOL
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_ACCOUNT_RENT, TOKEN_PROGRAMS
from backend.venues.venue import Venue

_FAILED_LOG: Final = re.compile(r"Program (\w{32,44}) failed: ")

_SOL_SHORTAGE_LOG: Final = re.compile(
    r"Transfer: insufficient lamports ([0-9]{1,20}), need ([0-9]{1,20})"
)
"""What the system program logs of the account that pays, whether for a transfer or for rent."""

_FUNDS_CODE: Final = INSUFFICIENT_FUNDS
PROGRAM_ERROR_CODE: Final = "program_error"
"""The code of an error of a program that is none of the exchanges'."""
NODE_FAULTS: Final = frozenset({"blockhash_not_found", "node_busy"})
"""Codes of errors of a simulation that are the node's: it is behind, on a fork, or busy."""
_REJECTED_ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "InsufficientFundsForFee": (_FUNDS_CODE, "the wallet holds too little SOL for the network fee"),
    "InsufficientFundsForRent": (_FUNDS_CODE, "an account would be left with less SOL than rent"),
    "InsufficientFunds": (_FUNDS_CODE, "the wallet does not hold what the swap takes"),
    "AccountNotFound": (
        _FUNDS_CODE,
        "the wallet holds no SOL for the network fee: it does not exist on this chain",
    ),
    "InvalidAccountForFee": ("invalid_wallet", "the wallet's account cannot pay fees"),
    "SignatureFailure": ("signature_failure", "the signature does not fit the transaction"),
}
_TRANSIENT_ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "BlockhashNotFound": ("blockhash_not_found", "the node does not know the blockhash"),
    "ComputationalBudgetExceeded": (OUT_OF_COMPUTE, "the compute limit was too low"),
    "ProgramFailedToComplete": (OUT_OF_COMPUTE, "the program ran out of compute or memory"),
    "AccountInUse": ("node_busy", "an account was locked by another transaction"),
    "AddressLookupTableNotFound": ("lookup_table_unknown", "the node does not know a lookup table"),
    "InvalidAddressLookupTableIndex": (
        "lookup_table_unknown",
        "the node's state of a lookup table is older than the transaction",
    ),
    "ClusterMaintenance": ("node_busy", "the cluster is under maintenance"),
    "WouldExceedMaxBlockCostLimit": ("node_busy", "the block was full"),
    "WouldExceedMaxAccountCostLimit": ("node_busy", "the block was full for an account"),
    "WouldExceedAccountDataBlockLimit": ("node_busy", "the block was full"),
}
_TOKEN_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    0: (_FUNDS_CODE, "a token account would hold less SOL than its rent"),
    1: (_FUNDS_CODE, "the wallet does not hold the tokens that the swap sells"),
    4: ("wrong_owner", "a token account belongs to somebody else"),
    17: ("account_frozen", "a token account is frozen"),
}


class Residual(NamedTuple):
    """What a route through other tokens leaves of one of them, in base units; by its mint."""

    mint: str
    amount: int


@dataclass(frozen=True, slots=True)
class Fill:
    """The executed amount as the chain shows it, in base units of the token out, and its costs."""

    amount_out: int
    slot: int
    costs: TransactionCosts
    residuals: tuple[Residual, ...] = ()
    compute_units: int | None = None


def read_fill(landed: LandedTransaction, owner: Pubkey, mint_in: Pubkey, mint_out: Pubkey) -> Fill:
    """Read what ``owner`` received from a successful swap, and what is left of other tokens.

    For a token this is the change of the balances of that mint and owner. SOL arrives unwrapped,
    in the account that also pays the fee, the tip, and the rent of accounts that are opened.

    Raises ``ValueError`` or ``IndexError`` if the node's record is malformed or incomplete.
    """
    if not landed.tokens_before:  # pools hold tokens before each swap
        raise ValueError("the balances of tokens before the swap are missing")
    owner_address = str(owner)
    costs = read_costs(landed, owner_address)
    changes = _compute_token_changes(landed, owner_address)
    if mint_out == NATIVE_MINT or (mint_in != NATIVE_MINT and landed.lamports_after):
        changes[str(NATIVE_MINT)] = _compute_lamport_change(landed, owner, costs)
    amount_out = changes.pop(str(mint_out), 0)
    changes.pop(str(mint_in), None)
    residuals = (Residual(mint, change) for mint, change in changes.items() if change > 0)
    return Fill(amount_out, landed.slot, costs, tuple(residuals), landed.units)


def _compute_token_changes(landed: LandedTransaction, owner: str) -> Counter[str]:
    """How the balances of an owner have changed, by mint."""
    changes: Counter[str] = Counter()
    for sign, balances in ((1, landed.tokens_after), (-1, landed.tokens_before)):
        for balance in balances.values():
            if balance.owner == owner:
                changes[balance.mint] += sign * balance.amount
    return changes


def _compute_lamport_change(
    landed: LandedTransaction, owner: Pubkey, costs: TransactionCosts
) -> int:
    """What an owner's lamports have changed by, but for what the transaction has cost.

    Lamports are in the order of the message's own accounts, of which the owner is one, and those of
    lookup tables.
    """
    keys = VersionedTransaction.from_bytes(landed.wire).message.account_keys
    index = keys.index(owner)
    change = landed.lamports_after[index] - landed.lamports_before[index] + costs.tip + costs.rent
    return change + (costs.network_fee if index == 0 else 0)


def classify_onchain_error(err: Json, logs: Sequence[str], venues: Iterable[Venue]) -> EngineError:
    """Classify the error of a landed or simulated transaction; ``venues`` are the exchanges'.

    ``Transient``: this transaction failed for good, a new one may succeed. ``Rejected``: none will.
    """
    if isinstance(err, dict) and "InstructionError" in err:
        return _classify_instruction_error(err["InstructionError"], logs, venues)
    if err == {"InsufficientFundsForRent": {"account_index": 0}}:
        return Rejected(_FUNDS_CODE, "the wallet would be left with less SOL than its own rent")
    return _classify_named_error(next(iter(err), "") if isinstance(err, dict) else str(err))


def _classify_named_error(name: str) -> EngineError:
    if name in _TRANSIENT_ERRORS:
        return Transient(*_TRANSIENT_ERRORS[name])
    if name in _REJECTED_ERRORS:
        return Rejected(*_REJECTED_ERRORS[name])
    return Rejected("transaction_refused", f"the chain refuses the transaction: {name}")


def _classify_instruction_error(
    error: Json, logs: Sequence[str], venues: Iterable[Venue]
) -> EngineError:
    try:
        _, kind = error
        code = int(kind["Custom"]) if isinstance(kind, dict) and "Custom" in kind else None
    except (TypeError, ValueError):
        return _classify_named_error(str(error))
    if code is None:
        return _classify_named_error(kind if isinstance(kind, str) else str(kind))
    return _classify_custom_error(code, logs, venues)


def _classify_custom_error(code: int, logs: Sequence[str], venues: Iterable[Venue]) -> EngineError:
    program = _find_failed_program(logs)
    if program is None:  # a node may keep no logs; the transaction has failed nevertheless
        return Transient("failed_on_chain", f"a program failed with {code}, no log says which")
    if program in TOKEN_PROGRAMS:
        return Rejected(*_TOKEN_ERRORS.get(code, ("token_error", f"token program error {code}")))
    if program == SYSTEM_PROGRAM:
        if code == 1:
            return Rejected(_FUNDS_CODE, _describe_sol_shortage(logs))
        return Rejected("system_error", f"system program error {code}")
    for venue in venues:
        if venue.program == program:
            return venue.classify_error(code, logs)
    return Rejected(PROGRAM_ERROR_CODE, f"the program {program} failed with {code}")


def _describe_sol_shortage(logs: Sequence[str]) -> str:
    """Tell what the SOL is too little for: the amount, or rent that comes on top of it."""
    match = next(filter(None, map(_SOL_SHORTAGE_LOG.search, logs)), None)
    if match is None:
        return "the wallet holds too little SOL: for the amount, or for the rent of a token account"
    held, needed = map(int, match.groups())
    if needed <= TOKEN_ACCOUNT_RENT:
        purpose = "the rent of a token account"
    elif needed - held <= TOKEN_ACCOUNT_RENT:
        purpose = "the rent of a token account besides the amount"
    else:
        purpose = "the amount and the rent of a token account"
    held_sol, needed_sol, missing_sol = (
        format_amount(lamports, SOL.decimals) for lamports in (held, needed, needed - held)
    )
    return (
        f"the wallet holds too little SOL for {purpose}:"
        f" {needed_sol} are needed, it holds {held_sol}: {missing_sol} SOL are missing"
    )


def _find_failed_program(logs: Sequence[str]) -> Pubkey | None:
    for line in logs:
        if match := _FAILED_LOG.match(line):
            try:
                return Pubkey.from_string(match[1])
            except ValueError:
                return None
    return None
