"""Single values of a node's JSON, read strictly: what decides about money is not guessed.

Every reader raises ``TypeError`` or ``ValueError`` for what Solana's nodes do not write.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""Decoded JSON from the node, not yet validated."""

COUNT_MAX: Final = (1 << 63) - 1
"""Greatest slot, fee, balance in lamports or number of units: the supply of SOL is far smaller."""
_AMOUNT_MAX: Final = (1 << 64) - 1
_AMOUNT_DIGITS_MAX: Final = 20
_CODE_MAX: Final = (1 << 32) - 1
_ADDRESS_LENGTHS: Final = range(32, 45)
_INSTRUCTION_ERROR: Final = "InstructionError"


def read_count(value: Json) -> int:
    """Read a slot, a fee, an index or a number of units: neither a boolean nor a fraction."""
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        raise ValueError("not a whole number of this size")
    return value


def read_counts(values: Json) -> tuple[int, ...]:
    """Read a list of balances in lamports."""
    if not isinstance(values, list):
        raise TypeError("not a list")
    if values and (set(map(type, values)) != {int} or min(values) < 0 or max(values) > COUNT_MAX):
        raise ValueError("not whole numbers of this size")
    return tuple(values)


def read_amount(text: Json) -> int:
    """Read an amount of a token, which is told as a text of digits."""
    if not isinstance(text, str) or len(text) > _AMOUNT_DIGITS_MAX:
        raise TypeError("not an amount")
    if not (text.isascii() and text.isdigit()) or int(text) > _AMOUNT_MAX:
        raise ValueError("not an amount")
    return int(text)


def read_address(text: Json) -> str:
    """Read an address; that it is one of 32 bytes is not verified."""
    if not isinstance(text, str) or len(text) not in _ADDRESS_LENGTHS:
        raise TypeError("not an address")
    if not (text.isascii() and text.isalnum()):
        raise ValueError("not an address")
    return text


def read_error(err: Json) -> Json:
    """Read the error of a transaction: ``None``, a name, or an object of a name and its details."""
    if err is None:
        return None
    name = _read_name(err)
    if name == _INSTRUCTION_ERROR:
        index, kind = err[name]
        read_count(index)
        if _read_name(kind) == "Custom" and read_count(kind["Custom"]) > _CODE_MAX:
            raise ValueError("not the number of an error")
    return err


def _read_name(err: Json) -> str:
    if isinstance(err, dict) and len(err) == 1:
        [err] = err
    if not isinstance(err, str):
        raise TypeError("not the name of an error")
    if not (err.isascii() and err.isalnum()):
        raise ValueError("not the name of an error")
    return err
