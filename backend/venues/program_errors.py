"""Which reaction a program's error permits.

Anchor programs write the name of an error into the logs. Its number means different things in
different builds of one program, so the name decides and the number only where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.errors import EngineError, Rejected, Transient


@dataclass(frozen=True, slots=True)
class Known:
    """An error of a program: its number and name there, and what it means here."""

    number: int
    name: str
    error: type[EngineError]
    code: str
    reason: str


def slippage(number: int, name: str) -> Known:
    """The price moved past the limit: a new quote and a new transaction may do better."""
    return Known(number, name, Transient, "slippage", "the pool would pay less than the minimum")


def final(number: int, name: str, code: str, reason: str) -> Known:
    """An error that the same order would meet again."""
    return Known(number, name, Rejected, code, reason)


_ANCHOR = (
    final(2001, "ConstraintHasOne", "bad_accounts", "an account is not the pool's"),
    final(2003, "ConstraintRaw", "bad_accounts", "an account is not the pool's"),
    final(2006, "ConstraintSeeds", "bad_accounts", "an account has the wrong address"),
    final(2012, "ConstraintAddress", "bad_accounts", "an account has the wrong address"),
    final(3005, "AccountNotEnoughKeys", "bad_accounts", "an account is missing"),
    final(3012, "AccountNotInitialized", "missing_account", "a token account does not exist"),
)
# The token programs and the system program have no names, and their errors pass through.
_TOKEN = (
    final(1, "InsufficientFunds", "insufficient_funds", "the wallet does not hold the amount"),
    final(17, "AccountFrozen", "account_frozen", "a token account is frozen"),
)

_NAME = re.compile(r"Error Code: (\w+)\.")


class Reactions:
    """The errors of one program, together with those of the programs below it."""

    def __init__(self, *own: Known) -> None:
        known = (*_TOKEN, *_ANCHOR, *own)
        self._by_name = {each.name: each for each in known}
        self._by_number = {each.number: each for each in known}

    def of(self, number: int, logs: Sequence[str]) -> EngineError:
        """The error as ``Transient`` or ``Rejected``; one that is not known is final."""
        names = [found[1] for line in logs for found in _NAME.finditer(line)]
        known = self._by_name.get(names[-1]) if names else self._by_number.get(number)
        if known is None:
            name = f" ({names[-1]})" if names else ""
            return Rejected("program_error", f"the exchange's program failed with {number}{name}")
        return known.error(known.code, known.reason)
