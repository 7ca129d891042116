"""How nodes behave that are not what the engine hopes for: what they refuse, and what they say.

A model sees each request before the simulated node does, and each response before the engine. It
knows nothing of HTTP connections: ``node_proxy`` does.
"""

from __future__ import annotations

from base64 import b64decode
from collections import Counter, deque
from collections.abc import Sequence
from math import ceil
from random import Random
from typing import Any, Final, NamedTuple

from solders.transaction import VersionedTransaction

from backend.trials.deployments.cells import NodeKind

Json = dict[str, Any]

WINDOW_S: Final = 2.0
"""The window of the rate limit: a fifth of what public nodes have, so that a cell takes a fifth."""
CALLS_MAX: Final = 100
METHOD_CALLS_MAX: Final = 40
BEHIND_SLOTS: Final = 5
BEHIND_SHARE: Final = 0.5
"""The share of requests that a backend answers which is behind."""

_NO_HISTORY: Final = {
    "code": -32011,
    "message": "Transaction history is not available from this node",
}


_BLOCKHASH_NOT_FOUND: Final[Json] = {
    "err": "BlockhashNotFound",
    "logs": [],
    "accounts": None,
    "unitsConsumed": 0,
}


class Refusal(NamedTuple):
    """An HTTP response without JSON-RPC in it."""

    status: int
    text: str
    retry_after_s: int | None = None


class NodeModel:
    """A healthy node; others differ from it."""

    def refuse(self, calls: Sequence[Json], now_s: float, *, is_array: bool) -> Refusal | None:
        """Refuse a whole request, or accept it: ``None``."""
        return None

    def answer(self, call: Json) -> Json | None:
        """Answer a call in place of the node behind: a result or error; ``None`` lets it pass."""
        return None

    def revise(self, call: Json, response: Json) -> Json:
        """Revise the node's response to a call."""
        return response

    def observe_tip(self, slot: int) -> None:
        """Note the node's newest confirmed slot."""


class NoArraysModel(NodeModel):
    """Refuses every JSON-RPC array, however short."""

    def refuse(self, calls: Sequence[Json], now_s: float, *, is_array: bool) -> Refusal | None:
        """Refuse arrays."""
        return Refusal(403, "batch requests are not allowed") if is_array else None


class RateLimitedModel(NodeModel):
    """Limits calls in a fixed window, all together and by method; an array costs its calls.

    An array that does not fit into what is left of the window is refused as a whole.
    """

    def __init__(self) -> None:
        self._ends_at_s = 0.0
        self._taken: Counter[str] = Counter()

    def refuse(self, calls: Sequence[Json], now_s: float, *, is_array: bool) -> Refusal | None:
        """Refuse what does not fit into the window, with the seconds until its end."""
        if now_s >= self._ends_at_s:
            self._ends_at_s = now_s + WINDOW_S
            self._taken.clear()
        asked = Counter(str(call.get("method")) for call in calls)
        after = self._taken + asked
        if after.total() > CALLS_MAX or any(after[each] > METHOD_CALLS_MAX for each in asked):
            wait_s = max(ceil(self._ends_at_s - now_s), 1)
            return Refusal(429, "Too many requests", wait_s)
        self._taken = after
        return None


class NoHistoryModel(NodeModel):
    """Has no history of transactions: it says so, or it has ``null`` for all of them."""

    def __init__(self, *, is_empty: bool) -> None:
        self._is_empty = is_empty

    def answer(self, call: Json) -> Json | None:
        """Answer what only a history could."""
        if call["method"] == "getTransaction":
            return {"result": None} if self._is_empty else {"error": _NO_HISTORY}
        is_search = (
            call["method"] == "getSignatureStatuses"
            and _get_options(call).get("searchTransactionHistory") is True
        )
        return {"error": _NO_HISTORY} if is_search and not self._is_empty else None


class BehindModel(NodeModel):
    """One address of two backends, one of which is ``BEHIND_SLOTS`` behind.

    The one behind does not know a blockhash or a status from a slot that it has not reached, and
    refuses a ``minContextSlot`` above its own.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._tip = 0
        self._blockhashes: deque[tuple[int, Json]] = deque(maxlen=1_000)
        self._slot_of_blockhash: dict[str, int] = {}

    def answer(self, call: Json) -> Json | None:
        """Refuse a send whose preflight the backend behind cannot run."""
        if call["method"] != "sendTransaction" or not self._is_behind():
            return None
        options = _get_options(call)
        if options.get("skipPreflight") is True:
            return None
        refused = self._refuse_context(options)
        if refused is None and not self._knows_blockhash(call):
            message = "Transaction simulation failed: Blockhash not found"
            error = {"code": -32002, "message": message, "data": _BLOCKHASH_NOT_FOUND}
            return {"error": error}
        return refused

    def revise(self, call: Json, response: Json) -> Json:
        """Turn a response back to what the backend behind knows, if that one has the request."""
        result = response.get("result")
        self._observe(call, result)
        if result is None or not self._is_behind():
            return response
        refused = self._refuse_context(_get_options(call))
        if refused is not None:
            return {"jsonrpc": "2.0", "id": response.get("id"), **refused}
        return {**response, "result": self._turn_back(call, result)}

    def _is_behind(self) -> bool:
        return self._random.random() < BEHIND_SHARE

    def observe_tip(self, slot: int) -> None:
        """Note the node's newest confirmed slot."""
        self._tip = max(self._tip, slot)

    @property
    def _slot(self) -> int:
        return self._tip - BEHIND_SLOTS

    def _observe(self, call: Json, result: Any) -> None:
        if call["method"] == "getLatestBlockhash" and isinstance(result, dict):
            slot = int(result["context"]["slot"])
            self.observe_tip(slot)
            self._blockhashes.append((slot, result))
            self._slot_of_blockhash.setdefault(result["value"]["blockhash"], slot)

    def _refuse_context(self, options: Json) -> Json | None:
        if int(options.get("minContextSlot") or 0) <= self._slot:
            return None
        message = "Minimum context slot has not been reached"
        data = {"contextSlot": self._slot}
        return {"error": {"code": -32016, "message": message, "data": data}}

    def _knows_blockhash(self, call: Json) -> bool:
        wire = b64decode(call["params"][0])
        blockhash = str(VersionedTransaction.from_bytes(wire).message.recent_blockhash)
        return self._slot_of_blockhash.get(blockhash, 0) <= self._slot

    def _turn_back(self, call: Json, result: Any) -> Any:
        """The result as it was ``BEHIND_SLOTS`` ago, as far as the engine can tell."""
        match call["method"]:
            case "getEpochInfo":
                slots = {key: result[key] - BEHIND_SLOTS for key in ("absoluteSlot", "blockHeight")}
                return {**result, **slots}
            case "getSlot" | "getBlockHeight":
                return result - BEHIND_SLOTS
            case "getTransaction":
                return result if result["slot"] <= self._slot else None
            case "getLatestBlockhash":
                return next(
                    (old for at, old in reversed(self._blockhashes) if at <= self._slot), result
                )
            case _:
                return self._turn_back_context(call, result)

    def _turn_back_context(self, call: Json, result: Any) -> Any:
        if not isinstance(result, dict) or "context" not in result:
            return result
        value = result["value"]
        if call["method"] == "getSignatureStatuses":
            value = [each if each and each["slot"] <= self._slot else None for each in value]
        if call["method"] == "simulateTransaction" and not self._may_simulate(call):
            value = _BLOCKHASH_NOT_FOUND
        return {"context": {**result["context"], "slot": self._slot}, "value": value}

    def _may_simulate(self, call: Json) -> bool:
        is_replaced = _get_options(call).get("replaceRecentBlockhash") is True
        return is_replaced or self._knows_blockhash(call)


def build_model(kind: NodeKind, seed: int) -> NodeModel:
    """Build the model of a kind of node."""
    match kind:
        case NodeKind.HEALTHY:
            return NodeModel()
        case NodeKind.NO_ARRAYS:
            return NoArraysModel()
        case NodeKind.RATE_LIMITED:
            return RateLimitedModel()
        case NodeKind.NO_HISTORY | NodeKind.EMPTY_HISTORY:
            return NoHistoryModel(is_empty=kind is NodeKind.EMPTY_HISTORY)
        case NodeKind.BEHIND:
            return BehindModel(Random(seed))  # noqa: S311 - repeatable, not secret


def _get_options(call: Json) -> Json:
    params = call.get("params")
    last = params[-1] if isinstance(params, list) and params else None
    return last if isinstance(last, dict) else {}
