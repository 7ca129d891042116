"""JSON-RPC answers: the result as its reader makes it, or the error as the reaction it permits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from solders.transaction import VersionedTransaction

from backend.chain.outcomes import preflight_error
from backend.chain.rpc_errors import (
    PREFLIGHT_FAILED,
    ReadFailed,
    read_failure,
    send_failure,
    unanswered,
)
from backend.chain.rpc_results import Json, Landed, read_landed
from backend.domain.errors import EngineError

Value = TypeVar("Value")


def value_of(answer: Json, reader: Callable[[Json], Value]) -> Value:
    """The result of a read. Raises what its error means."""
    try:
        error = answer.get("error")
        if error is not None:
            raise read_failure(int(error["code"]), str(error.get("message")))
        return reader(answer["result"])
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        raise ReadFailed("node_error", "the node's answer has another form") from None


def landed_of(answer: Json) -> Landed | EngineError | None:
    """The transaction, ``None`` if no block contains it, or what its error means."""
    try:
        return value_of(answer, read_landed)
    except EngineError as failure:
        return failure


def sent_of(answer: Json, wire: bytes) -> str | EngineError:
    """The signature that was accepted, or what the refusal of a send means."""
    signature = str(VersionedTransaction.from_bytes(wire).signatures[0])
    try:
        error = answer.get("error")
        if error is None:
            accepted = answer["result"] == signature
            return signature if accepted else _odd_answer()
        code, message = int(error["code"]), str(error.get("message"))
        if code != PREFLIGHT_FAILED:
            return send_failure(code, message)
        data = error.get("data") or {}
        if data.get("err") == "AlreadyProcessed":
            return signature
        return preflight_error(data.get("err"), data.get("logs") or ())
    except (AttributeError, KeyError, TypeError, ValueError):
        return _odd_answer()


def _odd_answer() -> EngineError:
    return unanswered(ReadFailed("node_error", "the node's answer to the send has another form"))
