"""Parameters, errors and response context of JSON-RPC calls; every parameter is validated here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from solders.pubkey import Pubkey
from solders.signature import Signature

from backend.chain.wire import Commitment
from backend.simulator.chain.chain import Chain

Json: TypeAlias = Any
"""JSON from a client, not validated yet, or JSON for a client."""

TOO_MANY_REQUESTS: Final = 429
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
PREFLIGHT_FAILED: Final = -32002
SIGNATURE_VERIFICATION_FAILED: Final = -32003
NODE_UNHEALTHY: Final = -32005
UNSUPPORTED_VERSION: Final = -32015
MIN_CONTEXT_SLOT_NOT_REACHED: Final = -32016

API_VERSION: Final = "3.0.0"


class RpcError(Exception):
    """A JSON-RPC error that is returned to the client."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class NoResponse(Exception):
    """The request gets no response until the client times out."""


class ResponseLost(Exception):
    """The call was executed but its response is lost.

    With ``is_connection_closed`` the connection closes, otherwise the status is 500.
    """

    def __init__(self, *, is_connection_closed: bool) -> None:
        super().__init__("the response is lost")
        self.is_connection_closed = is_connection_closed


class Params:
    """The positional parameters of one call. Getters raise ``RpcError`` (invalid params)."""

    __slots__ = ("_values",)

    def __init__(self, values: Json) -> None:
        if values is None:
            values = []
        if not isinstance(values, list):
            raise RpcError(INVALID_PARAMS, "`params` should be an array")
        self._values: Final[list[Json]] = values

    def has_value(self, index: int) -> bool:
        """Whether a parameter was passed."""
        return index < len(self._values)

    def get_value(self, index: int) -> Json:
        """A parameter as it was passed; ``None`` without it."""
        return self._values[index] if index < len(self._values) else None

    def get_string(self, index: int) -> str:
        """A required string."""
        value = self.get_value(index)
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"Invalid params: expected a string at position {index}")
        return value

    def get_strings(self, index: int, count_max: int) -> list[str]:
        """A required array of at most ``count_max`` strings."""
        value = self.get_value(index)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise RpcError(
                INVALID_PARAMS, f"Invalid params: expected an array of strings at position {index}"
            )
        if len(value) > count_max:
            raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {count_max}")
        return value

    def get_integer(self, index: int, value_max: int) -> int:
        """A required integer from 0 to ``value_max``."""
        value = self.get_value(index)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= value_max:
            raise RpcError(INVALID_PARAMS, f"Invalid params: expected a number at position {index}")
        return value

    def get_options(self, index: int) -> CallOptions:
        """The optional object of call options."""
        value = self.get_value(index)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise RpcError(
                INVALID_PARAMS, f"Invalid params: expected an object at position {index}"
            )
        return CallOptions(value)


class CallOptions:
    """The named options of one call. Getters raise ``RpcError`` (invalid params)."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Json]) -> None:
        self._values = values

    def get_flag(self, name: str) -> bool:
        """A boolean, ``False`` by default."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be a boolean")
        return bool(value)

    def get_choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the allowed strings, by default the first of them."""
        value = self._values.get(name)
        if value is None:
            return allowed[0]
        if value not in allowed:
            raise RpcError(
                INVALID_PARAMS, f"Invalid params: {name} should be one of {', '.join(allowed)}"
            )
        return str(value)

    def get_integer(self, name: str) -> int | None:
        """A non-negative integer, ``None`` by default."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be a number")
        return value

    def get_object(self, name: str) -> CallOptions | None:
        """A nested object of options, ``None`` by default."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be an object")
        return CallOptions(value)

    def get_string(self, name: str) -> str:
        """A required string."""
        value = self._values.get(name)
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be a string")
        return value

    def get_optional_string(self, name: str) -> str | None:
        """A string, ``None`` by default."""
        return None if self._values.get(name) is None else self.get_string(name)

    def get_objects(self, name: str, count_max: int) -> list[CallOptions]:
        """An array of at most ``count_max`` objects of options, empty by default."""
        values = self._values.get(name)
        if values is None:
            return []
        if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
            raise RpcError(INVALID_PARAMS, f"Invalid params: {name} should be an array of objects")
        if len(values) > count_max:
            raise RpcError(INVALID_PARAMS, f"Too many {name} provided; max {count_max}")
        return list(map(CallOptions, values))

    def get_pubkeys(self, name: str, count_max: int) -> list[Pubkey]:
        """A required array of at most ``count_max`` addresses."""
        return [
            parse_pubkey(text)
            for text in Params([self._values.get(name)]).get_strings(0, count_max)
        ]

    def get_commitment(self, default: Commitment = Commitment.FINALIZED) -> Commitment:
        """The requested commitment level."""
        allowed = [default, *Commitment]
        return Commitment(self.get_choice("commitment", allowed))


def parse_pubkey(text: str) -> Pubkey:
    """Parse an address. Raises ``RpcError``."""
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise RpcError(INVALID_PARAMS, "Invalid param: Invalid") from None


def parse_signature(text: str) -> str:
    """Parse a signature and return its canonical text. Raises ``RpcError``."""
    try:
        return str(Signature.from_string(text))
    except ValueError:
        raise RpcError(INVALID_PARAMS, "Invalid param: Invalid") from None


def build_context(
    chain: Chain, options: CallOptions, default: Commitment = Commitment.FINALIZED
) -> Json:
    """The context of a response. Raises ``RpcError`` if its slot is before ``minContextSlot``."""
    slot = chain.slot_at(options.get_commitment(default))
    slot_min = options.get_integer("minContextSlot")
    if slot_min is not None and slot < slot_min:
        raise RpcError(
            MIN_CONTEXT_SLOT_NOT_REACHED,
            "Minimum context slot has not been reached",
            {"contextSlot": slot},
        )
    return {"apiVersion": API_VERSION, "slot": slot}
