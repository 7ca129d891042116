"""Parsing of JSON-RPC responses, and classification of their errors by the permitted reaction.

A failed read had no effect, so it is ``Unavailable``: ask again. The same failure of a send is
``OutcomeUnknown``: the bytes were sent, and the node may have forwarded them before the response
was lost. Only an error which shows that these bytes can never land is ``Rejected``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from solders.signature import Signature
from solders.transaction import VersionedTransaction

from backend.chain.outcomes import PROGRAM_ERROR_CODE, classify_onchain_error
from backend.chain.rpc.load_signals import find_load_signal
from backend.chain.rpc.results import Json, LandedTransaction, read_transaction
from backend.domain.errors import EngineError, OutcomeUnknown, Rejected, Transient, Unavailable

Value = TypeVar("Value")


class ReadFailure(Unavailable):
    """A read failed; ``retry_after_s`` is the backoff that the node asked for, if any."""


class RequestRefused(ReadFailure):
    """The node refused a request as a whole, or answered with what is no response to it.

    Its load is not the reason, and it can be reached: a smaller request may pass.
    """


class MethodUnknown(Rejected):
    """The node does not have the method."""


class SendOutcomeUnknown(OutcomeUnknown):
    """A send got no conclusive response; ``retry_after_s`` is the backoff the node asked for."""

    def __init__(self, code: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(code, reason)
        self.retry_after_s = retry_after_s


PREFLIGHT_FAILED: Final = -32002
HISTORY_UNAVAILABLE: Final = "history_unavailable"
"""The code of the error of a node that keeps no transaction history."""
_SIGNATURE_FAILED: Final = -32003
_METHOD_UNKNOWN: Final = -32601
_INVALID_PARAMS: Final = -32602

_LOOKUP_FAILURE: Final = "address table"
_TABLE_UNKNOWN: Final = "lookup_table_unknown"

_READ_CODES: Final[Mapping[int, str]] = {
    429: "rate_limited",
    -32429: "rate_limited",
    -32004: "slot_not_available",
    -32005: "node_behind",
    -32007: "slot_not_available",
    -32009: "slot_not_available",
    -32011: HISTORY_UNAVAILABLE,
    -32014: "slot_not_available",
    -32016: "node_behind",
    -32603: "node_error",
}
_REQUEST_ERRORS: Final = frozenset(
    {-32600, _METHOD_UNKNOWN, _INVALID_PARAMS, _SIGNATURE_FAILED, -32010, -32015}
)
"""The request itself is invalid: the node returns the same error every time."""


def classify_http_status(status: int) -> ReadFailure:
    """Classify an HTTP status other than 200 for a read."""
    if status == 429:
        return ReadFailure("rate_limited", "the node returns 429: too many requests")
    if status in {401, 403}:
        return RequestRefused("node_forbidden", f"the node returns {status}: check its URL and key")
    return RequestRefused("node_unavailable", f"the node returns HTTP {status}")


def classify_read_error(code: int, message: str) -> EngineError:
    """Classify a JSON-RPC error of a read."""
    if _is_lookup_failure(code, message):
        return Transient(_TABLE_UNKNOWN, f"the node refuses the lookup tables: {message}")
    if code == _METHOD_UNKNOWN:
        return MethodUnknown("node_refused", f"the node refuses the request ({code}): {message}")
    if code in _REQUEST_ERRORS:
        return Rejected("node_refused", f"the node refuses the request ({code}): {message}")
    name = _get_failure_name(code, message)
    return ReadFailure(name, f"the node reports ({code}): {message}")


def classify_send_error(code: int, message: str) -> EngineError:
    """Classify a JSON-RPC error of a send, other than a failed preflight."""
    if code == _SIGNATURE_FAILED:
        return Rejected("signature_failure", f"the node refuses the signature: {message}")
    if _is_lookup_failure(code, message):
        return SendOutcomeUnknown(_TABLE_UNKNOWN, f"the node refuses the lookup tables: {message}")
    if code == _INVALID_PARAMS:
        return Rejected("invalid_transaction", f"the node cannot read the transaction: {message}")
    name = _get_failure_name(code, message)
    return SendOutcomeUnknown(name, f"the node reports ({code}): {message}")


def _is_lookup_failure(code: int, message: str) -> bool:
    """Whether a node could not load a transaction's lookup tables, which others may know."""
    return code == _INVALID_PARAMS and _LOOKUP_FAILURE in message


def _get_failure_name(code: int, message: str) -> str:
    if find_load_signal({"code": code, "message": message}) is not None:
        return "rate_limited"
    return _READ_CODES.get(code, "node_error")


def to_send_failure(failure: EngineError) -> EngineError:
    """Convert the failure of a request that carried a transaction: its outcome is unknown."""
    if isinstance(failure, ReadFailure):
        return SendOutcomeUnknown(failure.code, failure.reason, failure.retry_after_s)
    return SendOutcomeUnknown(failure.code, failure.reason)


def classify_preflight_error(err: Json, logs: Sequence[str]) -> EngineError:
    """Classify a send that the node refused after simulating it.

    An error that may pass stays unknown: another node may hold the same bytes. So does one of a
    program of an exchange, which the client of a node does not know.
    """
    error = classify_onchain_error(err, logs, ())
    if isinstance(error, Transient) or error.code == PROGRAM_ERROR_CODE:
        return SendOutcomeUnknown(error.code, error.reason)
    return error


def parse_result(response: Json, reader: Callable[[Json], Value]) -> Value:
    """Parse the result of a read. Raises its error as ``ReadFailure`` or ``Rejected``."""
    try:
        error = response.get("error")
        if error is not None:
            raise classify_read_error(int(error["code"]), str(error.get("message")))
        return reader(response["result"])
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        raise ReadFailure("node_error", "the node's response is malformed") from None


def parse_transaction(
    answer: Json | EngineError, signature: str
) -> LandedTransaction | EngineError | None:
    """Parse a landed transaction: ``None`` if no block contains it; an error is returned."""
    if isinstance(answer, EngineError):
        return answer
    try:
        landed = parse_result(answer, read_transaction)
    except EngineError as failure:
        return failure
    if landed is not None and not _is_signed(landed.wire, signature):
        return ReadFailure("node_error", "the node's response is another transaction")
    return landed


def _is_signed(wire: bytes, signature: str) -> bool:
    """Whether a transaction's first signature, which follows their number, is this one."""
    return str(Signature.from_bytes(wire[1:65])) == signature if len(wire) >= 65 else False


def parse_send_result(answer: Json | EngineError, wire: bytes) -> str | EngineError:
    """Parse the answer to a send: the accepted signature, or the classified error."""
    if isinstance(answer, EngineError):
        return to_send_failure(answer)
    signature = str(VersionedTransaction.from_bytes(wire).signatures[0])
    try:
        error = answer.get("error")
        if error is None:
            is_accepted = answer["result"] == signature
            return signature if is_accepted else _malformed_send_response()
        code, message = int(error["code"]), str(error.get("message"))
        if code != PREFLIGHT_FAILED:
            return classify_send_error(code, message)
        data = error.get("data") or {}
        if data.get("err") == "AlreadyProcessed":
            return signature
        return classify_preflight_error(data.get("err"), data.get("logs") or ())
    except (AttributeError, KeyError, TypeError, ValueError):
        return _malformed_send_response()


def _malformed_send_response() -> EngineError:
    return to_send_failure(
        ReadFailure("node_error", "the node's response to the send is malformed")
    )
