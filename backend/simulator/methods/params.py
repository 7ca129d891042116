"""What methods are asked with, and how they refuse: every check of an argument is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from solders.pubkey import Pubkey
from solders.signature import Signature

from backend.chain.wire import Commitment
from backend.simulator.chain.chain import Chain

Json: TypeAlias = Any
"""JSON from a client, not yet read, or JSON for it."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NO_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
PREFLIGHT_FAILED: Final = -32002
SIGNATURE_FAILED: Final = -32003
NODE_UNHEALTHY: Final = -32005
UNSUPPORTED_VERSION: Final = -32015
SLOT_NOT_REACHED: Final = -32016


class RpcError(Exception):
    """A JSON-RPC error that a client gets."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Silence(Exception):
    """No answer comes, until the client gives up."""


class Lost(Exception):
    """It was done, and the answer to it is lost; ``closes`` tells how."""

    def __init__(self, *, closes: bool) -> None:
        super().__init__("the answer is lost")
        self.closes = closes


class Params:
    """The positional parameters of one call. Each reader raises ``RpcError`` (invalid params)."""

    __slots__ = ("_values",)

    def __init__(self, values: Json) -> None:
        if values is None:
            values = []
        if not isinstance(values, list):
            raise RpcError(INVALID_PARAMS, "`params` should be an array")
        self._values: Final[list[Json]] = values

    def given(self, at: int) -> bool:
        """Whether a parameter is there."""
        return at < len(self._values)

    def text(self, at: int) -> str:
        """A string that must be there."""
        value = self._values[at] if at < len(self._values) else None
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"Invalid params: expected a string at position {at}")
        return value

    def texts(self, at: int, most: int) -> list[str]:
        """An array of at most ``most`` strings."""
        value = self._values[at] if at < len(self._values) else None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise RpcError(
                INVALID_PARAMS, f"Invalid params: expected an array of strings at position {at}"
            )
        if len(value) > most:
            raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {most}")
        return value

    def number(self, at: int, most: int) -> int:
        """A whole number that is not negative."""
        value = self._values[at] if at < len(self._values) else None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise RpcError(INVALID_PARAMS, f"Invalid params: expected a number at position {at}")
        return value

    def options(self, at: int) -> Options:
        """The object of options, which may be left out."""
        value = self._values[at] if at < len(self._values) else None
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise RpcError(INVALID_PARAMS, f"Invalid params: expected an object at position {at}")
        return Options(value)


class Options:
    """The options of one call."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Json]) -> None:
        self._values = values

    def flag(self, name: str) -> bool:
        """A boolean, ``False`` if it is left out."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be a boolean")
        return bool(value)

    def word(self, name: str, allowed: Sequence[str]) -> str:
        """One of some words, the first of them if it is left out."""
        value = self._values.get(name)
        if value is None:
            return allowed[0]
        if value not in allowed:
            raise RpcError(
                INVALID_PARAMS, f"Invalid params: {name} should be one of {', '.join(allowed)}"
            )
        return str(value)

    def number(self, name: str) -> int | None:
        """A whole number that is not negative, if it is there."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be a number")
        return value

    def inner(self, name: str) -> Options | None:
        """An object within, if it is there."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be an object")
        return Options(value)

    def keys(self, name: str, most: int) -> list[Pubkey]:
        """An array of addresses."""
        return [pubkey(text) for text in Params([self._values.get(name)]).texts(0, most)]

    def commitment(self, default: Commitment = Commitment.FINALIZED) -> Commitment:
        """How sure the answer should be."""
        words = [default, *Commitment]
        return Commitment(self.word("commitment", words))


def pubkey(text: str) -> Pubkey:
    """An address."""
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise RpcError(INVALID_PARAMS, "Invalid param: Invalid") from None


def signature(text: str) -> str:
    """A signature, in its own spelling."""
    try:
        return str(Signature.from_string(text))
    except ValueError:
        raise RpcError(INVALID_PARAMS, "Invalid param: Invalid") from None


def context(chain: Chain, options: Options, default: Commitment = Commitment.FINALIZED) -> Json:
    """The slot that an answer is of. Raises ``RpcError`` if it is before ``minContextSlot``."""
    slot = chain.slot_at(options.commitment(default))
    least = options.number("minContextSlot")
    if least is not None and slot < least:
        raise RpcError(
            SLOT_NOT_REACHED, "Minimum context slot has not been reached", {"contextSlot": slot}
        )
    return {"apiVersion": API_VERSION, "slot": slot}


API_VERSION: Final = "3.0.0"
