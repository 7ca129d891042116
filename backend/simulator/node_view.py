"""What one of several nodes shows of the chain: as it is, or as a faulty node sees it.

All nodes serve one chain. Faults of one node change its answers, and which transactions it passes
on; a fork is its own from the moment at which the fault is found to be armed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from solders.hash import Hash
from solders.signature import Signature

from backend.chain.wire import Commitment
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import (
    FalseStatus,
    NodeFork,
    NodeLag,
)
from backend.simulator.methods.params import (
    MIN_CONTEXT_SLOT_NOT_REACHED,
    CallOptions,
    Json,
    Params,
    RpcError,
    parse_pubkey,
)
from backend.simulator.node import RpcMethod, SimulatorNode
from backend.simulator.options import BLOCKHASH_BLOCKS
from backend.simulator.wire.transaction_parser import decode_transaction

_HISTORY_METHODS: Final = frozenset({"getTransaction", "getSignaturesForAddress"})


class BundleView:
    """The bundle endpoint of the first node, whose faults are the chain's."""

    def __init__(self, node: SimulatorNode) -> None:
        self.methods: Final = node.bundle_methods
        self.faults: Final = node.faults

    def answer(self, name: str, params: Json) -> Json:
        """The result of a method. Raises what the method raises."""
        return self.methods[name](Params(params))


class NodeView:
    """One node over the chain. The first one, without faults of its own, shows it as it is."""

    def __init__(self, node: SimulatorNode, faults: FaultRegistry) -> None:
        self._node = node
        self._clock: Final = node.chain.clock
        self.faults: Final = faults
        self._forked_at: int | None = None
        self._own_hashes: set[str] = set()

    @property
    def methods(self) -> Mapping[str, RpcMethod]:
        """The methods of the node by name."""
        return self._node.methods

    def answer(self, name: str, params: Json) -> Json:
        """The result of a method as this node sees it. Raises what the method raises."""
        method = self.methods[name]
        lag = self.faults.trigger(NodeLag)
        is_forked = self.faults.is_armed(NodeFork)
        if not is_forked:
            self._forked_at = None
        elif self._forked_at is None:
            self._forked_at = self._clock.slot()
        if is_forked and name == "sendTransaction":
            return _read_signature(params)
        if lag is not None:
            _check_min_slot(params, self._clock.slot() - lag.slots)
        result = method(Params(params))
        if lag is not None:
            result = self._shift(name, result, params, lag.slots)
        if self._forked_at is not None:
            result = self._fork(name, result, params, self._forked_at)
        if name == "getSignatureStatuses" and self.faults.is_armed(FalseStatus):
            result = _confirm_all(result)
        return result

    def _shift(self, name: str, result: Json, params: Json, slots: int) -> Json:
        """A result as it was so many slots ago."""
        if name in {"getSlot", "getBlockHeight"}:
            return result - slots
        if name == "getEpochInfo":
            height = result["blockHeight"] - slots
            return {**result, "absoluteSlot": result["absoluteSlot"] - slots, "blockHeight": height}
        seen = self._clock.slot() - slots
        if name in _HISTORY_METHODS:
            return _hide_history_after(result, seen)
        if not isinstance(result, dict) or "context" not in result:
            return result
        slot = result["context"]["slot"] - slots
        shifted = {**result, "context": {**result["context"], "slot": slot}}
        match name:
            case "getLatestBlockhash":
                height = self._clock.height(slot)
                shifted["value"] = {
                    "blockhash": str(self._clock.blockhash(height)),
                    "lastValidBlockHeight": height + BLOCKHASH_BLOCKS,
                }
            case "isBlockhashValid":
                shifted["value"] = result["value"] and self._is_before(params, slot)
            case "getSignatureStatuses":
                shifted["value"] = [_hide_after(each, seen) for each in result["value"]]
            case _:
                pass
        return shifted

    def _fork(self, name: str, result: Json, params: Json, forked_at: int) -> Json:
        """A result on a fork that begins after a slot."""
        match name:
            case "getTransaction" | "getSignaturesForAddress":
                return _hide_history_after(result, forked_at)
            case "getSignatureStatuses":
                statuses = [_hide_after(each, forked_at) for each in result["value"]]
                return {**result, "value": statuses}
            case "isBlockhashValid":
                is_own = Params(params).get_string(0) in self._own_hashes
                is_shared = result["value"] and self._is_before(params, forked_at)
                return {**result, "value": is_own or is_shared}
            case "getLatestBlockhash":
                if result["context"]["slot"] <= forked_at:
                    return result
                own = Hash(sha256(result["value"]["blockhash"].encode()).digest())
                self._own_hashes.add(str(own))
                return {**result, "value": {**result["value"], "blockhash": str(own)}}
            case _:
                return result

    def _is_before(self, params: Json, slot: int) -> bool:
        """Whether the blockhash of a call is of a block up to a slot."""
        blockhash = Hash(bytes(parse_pubkey(Params(params).get_string(0))))
        height = self._clock.find_height(blockhash)
        return height is not None and height <= self._clock.height(slot)


def _read_signature(params: Json) -> str:
    """The signature of a sent transaction, which is passed on to nobody."""
    return str(Signature(decode_transaction(Params(params).get_string(0), "base64")[1:65]))


def _check_min_slot(params: Json, slot: int) -> None:
    """Raise ``RpcError`` if a call wants a later slot than this one."""
    options = params[-1] if isinstance(params, list) and params else None
    if not isinstance(options, dict):
        return
    slot_min = CallOptions(options).get_integer("minContextSlot")
    if slot_min is not None and slot < slot_min:
        raise RpcError(
            MIN_CONTEXT_SLOT_NOT_REACHED,
            "Minimum context slot has not been reached",
            {"contextSlot": slot},
        )


def _hide_history_after(result: Json, slot: int) -> Json:
    """A transaction, or a list of them, as a node tells it that has come as far as a slot."""
    if isinstance(result, list):
        return [each for each in result if each["slot"] <= slot]
    return None if result is not None and result["slot"] > slot else result


def _hide_after(status: Json, slot: int) -> Json:
    return None if status is not None and status["slot"] > slot else status


def _confirm_all(result: Json) -> Json:
    slot = result["context"]["slot"]
    confirmed = {
        "slot": slot,
        "confirmations": 1,
        "err": None,
        "status": {"Ok": None},
        "confirmationStatus": Commitment.CONFIRMED,
    }
    return {**result, "value": [each or confirmed for each in result["value"]]}
