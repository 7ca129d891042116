"""The methods of a bundle endpoint, as Jito's block engine has them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from backend.simulator.chain.block_producer import BlockProducer
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.genesis import TIP_ACCOUNTS
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.faults import BundleUncle
from backend.simulator.methods.params import (
    INVALID_PARAMS,
    NODE_UNHEALTHY,
    Json,
    Params,
    RpcError,
)
from backend.simulator.wire.transaction_parser import (
    MalformedTransaction,
    ParsedTransaction,
    decode_transaction,
)

_TRANSACTIONS_MAX: Final = 5
_BUNDLES_MAX: Final = 5
_REMEMBERED_MAX: Final = 10_000
_ENCODINGS: Final = ("base58", "base64")


class BundleMethods:
    """``getTipAccounts``, ``sendBundle`` and ``getBundleStatuses``."""

    def __init__(self, chain: Chain, block_producer: BlockProducer, faults: FaultRegistry) -> None:
        self._chain = chain
        self._block_producer = block_producer
        self._faults = faults
        self._bundles: OrderedDict[str, tuple[bool, Sequence[str]]] = OrderedDict()

    def list_methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """The handlers by method name."""
        return {
            "getBundleStatuses": self.get_bundle_statuses,
            "getTipAccounts": lambda _: [str(key) for key in TIP_ACCOUNTS],
            "sendBundle": self.send_bundle,
        }

    def send_bundle(self, params: Params) -> Json:
        """``sendBundle``. Its transactions land one by one here, not atomically."""
        encoding = params.get_options(1).get_choice("encoding", _ENCODINGS)
        texts = params.get_strings(0, _TRANSACTIONS_MAX)
        transactions = [self._read_transaction(text, encoding) for text in texts]
        if not any(each.writable.intersection(TIP_ACCOUNTS) for each in transactions):
            reason = "Bundles must write lock at least one tip account to be eligible"
            raise RpcError(INVALID_PARAMS, reason)
        signatures = [each.signature for each in transactions]
        bundle_id = sha256(",".join(signatures).encode()).hexdigest()
        is_uncled = self._faults.trigger(BundleUncle) is not None
        self._bundles[bundle_id] = is_uncled, signatures
        if len(self._bundles) > _REMEMBERED_MAX:
            self._bundles.popitem(last=False)
        if not is_uncled and not all(map(self._block_producer.accept_bundled, transactions)):
            raise RpcError(NODE_UNHEALTHY, "too many transactions wait")
        return bundle_id

    def get_bundle_statuses(self, params: Params) -> Json:
        """``getBundleStatuses``, which is false for a bundle of a block that is dropped."""
        slot = self._chain.clock.slot()
        statuses = [self._find_status(each, slot) for each in params.get_strings(0, _BUNDLES_MAX)]
        return {"context": {"slot": slot}, "value": statuses}

    def _find_status(self, bundle_id: str, slot: int) -> Json:
        is_uncled, signatures = self._bundles.get(bundle_id, (False, ()))
        landed = [self._chain.find_status(each, search_history=False) for each in signatures]
        if not signatures or (None in landed and not is_uncled):
            return None
        return {
            "bundle_id": bundle_id,
            "transactions": signatures,
            "slot": slot,
            "confirmation_status": "confirmed",
            "err": {"Ok": None},
        }

    def _read_transaction(self, text: str, encoding: str) -> ParsedTransaction:
        try:
            transaction = self._chain.parse_transaction(decode_transaction(text, encoding))
        except MalformedTransaction as error:
            raise RpcError(INVALID_PARAMS, str(error)) from None
        if not transaction.has_valid_signatures():
            raise RpcError(INVALID_PARAMS, "transaction signature verification failure")
        return transaction
