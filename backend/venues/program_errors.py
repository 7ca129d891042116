"""Classification of a program's errors by the reaction they permit.

Anchor programs write the name of an error into the logs. Its number means different things in
different builds of one program, so the name decides, and the number only where there is no name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.errors import EngineError, Rejected, Transient


@dataclass(frozen=True, slots=True)
class ProgramError:
    """An error of a program: its number and name, and the engine error it maps to."""

    number: int
    name: str
    kind: type[EngineError]
    code: str
    reason: str


def slippage_error(number: int, name: str) -> ProgramError:
    """Define an error for a price past the limit: a new quote and transaction may succeed."""
    return ProgramError(
        number, name, Transient, "slippage", "the pool would pay less than the minimum"
    )


def final_error(number: int, name: str, code: str, reason: str) -> ProgramError:
    """Define an error that the same order would meet again."""
    return ProgramError(number, name, Rejected, code, reason)


_ANCHOR_ERRORS = (
    final_error(2001, "ConstraintHasOne", "bad_accounts", "an account is not the pool's"),
    final_error(2003, "ConstraintRaw", "bad_accounts", "an account is not the pool's"),
    final_error(2006, "ConstraintSeeds", "bad_accounts", "an account has the wrong address"),
    final_error(2012, "ConstraintAddress", "bad_accounts", "an account has the wrong address"),
    final_error(3005, "AccountNotEnoughKeys", "bad_accounts", "an account is missing"),
    final_error(3012, "AccountNotInitialized", "missing_account", "a token account does not exist"),
)
# The token programs and the system program log no error names, and their errors pass through.
_TOKEN_ERRORS = (
    final_error(
        1,
        "InsufficientFunds",
        "insufficient_funds",
        "the wallet does not hold the tokens that the swap sells",
    ),
    final_error(17, "AccountFrozen", "account_frozen", "a token account is frozen"),
)

_ERROR_NAME = re.compile(r"Error Code: (\w+)\.")
# Both exchanges name the trader's account of the token that is sold so.
_NO_INPUT_ACCOUNT = re.compile(
    r"caused by account: input_token_account\. Error Code: AccountNotInitialized\."
)


class ProgramErrors:
    """The errors of one program, together with those of the programs that it calls."""

    def __init__(self, *own_errors: ProgramError) -> None:
        errors = (*_TOKEN_ERRORS, *_ANCHOR_ERRORS, *own_errors)
        self._by_name = {error.name: error for error in errors}
        self._by_number = {error.number: error for error in errors}

    def classify(self, number: int, logs: Sequence[str]) -> EngineError:
        """Classify an error as ``Transient`` or ``Rejected``; an unknown one is final."""
        if any(map(_NO_INPUT_ACCOUNT.search, logs)):
            reason = "the wallet has no account of the token that the swap sells"
            return Rejected("insufficient_funds", reason)
        names = [match[1] for line in logs for match in _ERROR_NAME.finditer(line)]
        error = self._by_name.get(names[-1]) if names else self._by_number.get(number)
        if error is None:
            name = f" ({names[-1]})" if names else ""
            return Rejected("program_error", f"the exchange's program failed with {number}{name}")
        return error.kind(error.code, error.reason)
