"""Outcomes of landed transactions: the fill of a successful one, the classified error of another.

A failure is read from the node's error and from the logs. The first program that the logs report
as failed is the one that refused: a venue fails because the token program failed inside it, and
the same number means different things in different programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.rpc_results import Json, LandedTransaction
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.orders import Fill
from backend.venues import VENUES
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAMS
from backend.venues.venue import Venue

_FAILED_LOG: Final = re.compile(r"Program (\w{32,44}) failed: ")

_INSUFFICIENT_FUNDS: Final = ("insufficient_funds", "the wallet does not hold what the swap takes")
_REJECTED_ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "InsufficientFundsForFee": ("insufficient_funds", "the wallet cannot pay the network fee"),
    "InsufficientFundsForRent": ("insufficient_funds", "the wallet would fall below its rent"),
    "InsufficientFunds": _INSUFFICIENT_FUNDS,
    "AccountNotFound": ("insufficient_funds", "the wallet does not exist on this chain"),
    "InvalidAccountForFee": ("invalid_wallet", "the wallet's account cannot pay fees"),
    "SignatureFailure": ("signature_failure", "the signature does not fit the transaction"),
}
_TRANSIENT_ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "BlockhashNotFound": ("blockhash_not_found", "the node does not know the blockhash"),
    "ComputationalBudgetExceeded": ("out_of_compute", "the compute limit was too low"),
    "ProgramFailedToComplete": ("out_of_compute", "the program ran out of compute or memory"),
    "AccountInUse": ("node_busy", "an account was locked by another transaction"),
    "ClusterMaintenance": ("node_busy", "the cluster is under maintenance"),
    "WouldExceedMaxBlockCostLimit": ("node_busy", "the block was full"),
    "WouldExceedMaxAccountCostLimit": ("node_busy", "the block was full for an account"),
    "WouldExceedAccountDataBlockLimit": ("node_busy", "the block was full"),
}
_TOKEN_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    1: _INSUFFICIENT_FUNDS,
    4: ("wrong_owner", "a token account belongs to somebody else"),
    17: ("account_frozen", "a token account is frozen"),
}


def read_fill(landed: LandedTransaction, owner: Pubkey, mint_out: Pubkey) -> Fill:
    """Read what ``owner`` received of ``mint_out`` from a successful swap.

    For a token this is the change of the balances of that mint and owner. SOL arrives unwrapped,
    in the account that also pays the fee: the difference of lamports, plus the fee.
    """
    if mint_out == NATIVE_MINT:
        keys = VersionedTransaction.from_bytes(landed.wire).message.account_keys
        index = keys.index(owner)
        amount_out = landed.lamports_after[index] - landed.lamports_before[index]
        amount_out += landed.fee_lamports if index == 0 else 0
    else:
        amount_out = _compute_token_change(landed, owner, mint_out)
    return Fill(amount_out, landed.slot, landed.fee_lamports)


def _compute_token_change(landed: LandedTransaction, owner: Pubkey, mint: Pubkey) -> int:
    key = (str(owner), str(mint))
    after = sum(b.amount for b in landed.tokens_after.values() if (b.owner, b.mint) == key)
    before = sum(b.amount for b in landed.tokens_before.values() if (b.owner, b.mint) == key)
    return after - before


def classify_onchain_error(
    err: Json, logs: Sequence[str], venues: Iterable[Venue] = VENUES
) -> EngineError:
    """Classify the error of a landed or simulated transaction.

    ``Transient``: this transaction failed for good, a new one may succeed. ``Rejected``: none will.
    """
    if isinstance(err, dict) and "InstructionError" in err:
        return _classify_instruction_error(err["InstructionError"], logs, venues)
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
        error = (
            _INSUFFICIENT_FUNDS if code == 1 else ("system_error", f"system program error {code}")
        )
        return Rejected(*error)
    for venue in venues:
        if venue.program == program:
            return venue.classify_error(code, logs)
    return Rejected("program_error", f"the program {program} failed with {code}")


def _find_failed_program(logs: Sequence[str]) -> Pubkey | None:
    for line in logs:
        if match := _FAILED_LOG.match(line):
            return Pubkey.from_string(match[1])
    return None
