"""What a node's refusals and silences mean: which reaction each of them permits.

A read that failed had no effect, so it is ``Transient``. The same failure of a send is
``Unknown``: the bytes left, and the node may have passed them on before the answer was lost.
Only what shows that these bytes can never land is ``Rejected``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.domain.errors import EngineError, Rejected, Transient, Unknown


class ReadFailed(Transient):
    """A read did not work; ``retry_after_s`` is how long the node asked to be left alone."""

    def __init__(self, code: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(code, reason)
        self.retry_after_s = retry_after_s


class SendUnanswered(Unknown):
    """A send got no clear answer; ``retry_after_s`` is how long the node asked to be left alone."""

    def __init__(self, code: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(code, reason)
        self.retry_after_s = retry_after_s


PREFLIGHT_FAILED: Final = -32002
_SIGNATURE_FAILED: Final = -32003
_INVALID_PARAMS: Final = -32602

_READ_CODES: Final[Mapping[int, str]] = {
    429: "rate_limited",
    -32429: "rate_limited",
    -32004: "slot_not_available",
    -32005: "node_behind",
    -32007: "slot_not_available",
    -32009: "slot_not_available",
    -32014: "slot_not_available",
    -32016: "node_behind",
    -32603: "node_error",
}
_REFUSED: Final = frozenset({-32600, -32601, _INVALID_PARAMS, _SIGNATURE_FAILED, -32010, -32015})
"""The request itself is wrong: the node answers the same every time."""


def http_failure(status: int, retry_after: str | None) -> ReadFailed:
    """What an HTTP status other than 200 means for a read."""
    wait_s = _seconds(retry_after)
    if status == 429:
        return ReadFailed("rate_limited", "the node answers 429: too many requests", wait_s)
    if status in {401, 403}:
        return ReadFailed("node_forbidden", f"the node answers {status}: check its URL and key")
    return ReadFailed("node_unavailable", f"the node answers HTTP {status}", wait_s)


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(float(retry_after), 0.0) if retry_after else None
    except ValueError:
        return None  # a date: the caller's own backoff is as good


def read_failure(code: int, message: str) -> EngineError:
    """What a JSON-RPC error means for a read."""
    if code in _REFUSED:
        return Rejected("node_refused", f"the node refuses the request ({code}): {message}")
    return ReadFailed(_READ_CODES.get(code, "node_error"), f"the node says ({code}): {message}")


def send_failure(code: int, message: str) -> EngineError:
    """What a JSON-RPC error other than a failed preflight means for a send."""
    if code == _SIGNATURE_FAILED:
        return Rejected("signature_failure", f"the node refuses the signature: {message}")
    if code == _INVALID_PARAMS:
        return Rejected("invalid_transaction", f"the node cannot take the transaction: {message}")
    word = _READ_CODES.get(code, "node_error")
    return SendUnanswered(word, f"the node says ({code}): {message}")


def unanswered(failure: EngineError) -> EngineError:
    """A failed exchange, seen by somebody who sent a transaction in it."""
    if isinstance(failure, ReadFailed):
        return SendUnanswered(failure.code, failure.reason, failure.retry_after_s)
    return SendUnanswered(failure.code, failure.reason)
