"""What a transaction came to: the fill of one that succeeded, the reaction to one that failed.

A failure is read from the node's error and from the logs. The first program that the logs call
failed is the one that refused: a venue fails because the token program failed inside it, and the
same number means different things in different programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.rpc_errors import SendUnanswered
from backend.chain.rpc_results import Json, Landed
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.orders import Fill
from backend.venues import VENUES
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAMS
from backend.venues.venue import Venue

_FAILED: Final = re.compile(r"Program (\w{32,44}) failed: ")

_POOR: Final = ("insufficient_funds", "the wallet does not hold what the swap takes")
_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "InsufficientFundsForFee": ("insufficient_funds", "the wallet cannot pay the network fee"),
    "InsufficientFundsForRent": ("insufficient_funds", "the wallet would fall below its rent"),
    "InsufficientFunds": _POOR,
    "AccountNotFound": ("insufficient_funds", "the wallet does not exist on this chain"),
    "InvalidAccountForFee": ("invalid_wallet", "the wallet's account cannot pay fees"),
    "SignatureFailure": ("signature_failure", "the signature does not fit the transaction"),
}
_PASSING: Final[Mapping[str, tuple[str, str]]] = {
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
    1: _POOR,
    4: ("wrong_owner", "a token account belongs to somebody else"),
    17: ("account_frozen", "a token account is frozen"),
}


def fill(landed: Landed, owner: Pubkey, mint_out: Pubkey) -> Fill:
    """What ``owner`` received of ``mint_out`` by a swap that succeeded.

    Token balances by mint and owner. SOL arrives unwrapped, in the account that also pays the
    fee: the difference of lamports, plus the fee.
    """
    if mint_out == NATIVE_MINT:
        keys = VersionedTransaction.from_bytes(landed.wire).message.account_keys
        at = keys.index(owner)
        received = landed.lamports_after[at] - landed.lamports_before[at]
        received += landed.fee_lamports if at == 0 else 0
    else:
        received = _held(landed, owner, mint_out)
    return Fill(received, landed.slot, landed.fee_lamports)


def _held(landed: Landed, owner: Pubkey, mint: Pubkey) -> int:
    whose = (str(owner), str(mint))
    after = sum(b.amount for b in landed.tokens_after.values() if (b.owner, b.mint) == whose)
    before = sum(b.amount for b in landed.tokens_before.values() if (b.owner, b.mint) == whose)
    return after - before


def onchain_error(err: Json, logs: Sequence[str], venues: Iterable[Venue] = VENUES) -> EngineError:
    """What the error of a landed or simulated transaction permits.

    ``Transient``: that transaction is dead, a new one may succeed. ``Rejected``: none will.
    """
    if isinstance(err, dict) and "InstructionError" in err:
        return _instruction_error(err["InstructionError"], logs, venues)
    return _by_word(next(iter(err), "") if isinstance(err, dict) else str(err))


def preflight_error(err: Json, logs: Sequence[str]) -> EngineError:
    """What a send means that the node refused after a trial run.

    What may pass later stays unknown: another node may have these very bytes.
    """
    error = onchain_error(err, logs)
    if isinstance(error, Transient):
        return SendUnanswered(error.code, error.reason)
    return error


def _by_word(word: str) -> EngineError:
    if word in _PASSING:
        return Transient(*_PASSING[word])
    if word in _REFUSED:
        return Rejected(*_REFUSED[word])
    return Rejected("transaction_refused", f"the chain refuses the transaction: {word}")


def _instruction_error(error: Json, logs: Sequence[str], venues: Iterable[Venue]) -> EngineError:
    try:
        _, kind = error
        code = int(kind["Custom"]) if isinstance(kind, dict) and "Custom" in kind else None
    except (TypeError, ValueError):
        return _by_word(str(error))
    if code is None:
        return _by_word(kind if isinstance(kind, str) else str(kind))
    return _custom_error(code, logs, venues)


def _custom_error(code: int, logs: Sequence[str], venues: Iterable[Venue]) -> EngineError:
    program = _failed_program(logs)
    if program is None:  # nodes may keep no logs; the transaction is dead all the same
        return Transient("failed_on_chain", f"a program failed with {code}, no log says which")
    if program in TOKEN_PROGRAMS:
        return Rejected(*_TOKEN_ERRORS.get(code, ("token_error", f"token program error {code}")))
    if program == SYSTEM_PROGRAM:
        known = _POOR if code == 1 else ("system_error", f"system program error {code}")
        return Rejected(*known)
    for venue in venues:
        if venue.program == program:
            return venue.error(code, logs)
    return Rejected("program_error", f"the program {program} failed with {code}")


def _failed_program(logs: Sequence[str]) -> Pubkey | None:
    for line in logs:
        if found := _FAILED.match(line):
            return Pubkey.from_string(found[1])
    return None
