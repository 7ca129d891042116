"""Methods that read the statuses of signatures, and transactions of blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from backend.chain.wire import Commitment
from backend.simulator.chain.address_history import ListedSignature
from backend.simulator.chain.block_producer import BlockProducer
from backend.simulator.chain.chain import Chain
from backend.simulator.methods.params import (
    INVALID_PARAMS,
    Json,
    Params,
    RpcError,
    build_context,
    parse_pubkey,
    parse_signature,
)
from backend.simulator.methods.transaction_json import ENCODINGS, receipt_to_json

SIGNATURES_MAX: Final = 256
ADDRESS_SIGNATURES_MAX: Final = 1_000


class SignatureMethods:
    """``getSignatureStatuses``, ``getSignaturesForAddress`` and ``getTransaction``."""

    def __init__(self, chain: Chain, block_producer: BlockProducer) -> None:
        self._chain = chain
        self._block_producer = block_producer

    def list_methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """The handlers by method name."""
        return {
            "getSignatureStatuses": self.get_signature_statuses,
            "getSignaturesForAddress": self.get_signatures_for_address,
            "getTransaction": self.get_transaction,
        }

    def get_signature_statuses(self, params: Params) -> Json:
        """``getSignatureStatuses``, at most 256."""
        signatures, options = params.get_strings(0, SIGNATURES_MAX), params.get_options(1)
        search_history = options.get_flag("searchTransactionHistory")
        response_context = build_context(self._chain, options, Commitment.PROCESSED)
        return {
            "context": response_context,
            "value": [
                self._read_status(each, search_history=search_history) for each in signatures
            ],
        }

    def get_signatures_for_address(self, params: Params) -> Json:
        """``getSignaturesForAddress``: what names an account, the newest first."""
        address, options = parse_pubkey(params.get_string(0)), params.get_options(1)
        commitment = options.get_commitment()
        if commitment is Commitment.PROCESSED:
            raise RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`")
        build_context(self._chain, options)
        limit = options.get_integer("limit")
        limit = ADDRESS_SIGNATURES_MAX if limit is None else limit
        if not 1 <= limit <= ADDRESS_SIGNATURES_MAX:
            raise RpcError(INVALID_PARAMS, f"Invalid limit; max {ADDRESS_SIGNATURES_MAX}")
        before, until = (options.get_optional_string(name) for name in ("before", "until"))
        listed = self._chain.ledger.list_address_signatures(
            address,
            before=None if before is None else parse_signature(before),
            until=None if until is None else parse_signature(until),
            slot_max=self._chain.slot_at(commitment),
            limit=limit,
        )
        return [self._listed_to_json(each) for each in listed]

    def _listed_to_json(self, listed: ListedSignature) -> Json:
        return {
            "signature": listed.signature,
            "slot": listed.slot,
            "err": listed.err,
            "memo": listed.memo,
            "blockTime": self._chain.clock.unix_time(listed.slot),
            "confirmationStatus": self._chain.commitment_of(listed.slot),
        }

    def get_transaction(self, params: Params) -> Json:
        """``getTransaction``; ``null`` until the block has the commitment."""
        signature, options = parse_signature(params.get_string(0)), params.get_options(1)
        commitment = options.get_commitment()
        if commitment is Commitment.PROCESSED:
            raise RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`")
        encoding = options.get_choice("encoding", ENCODINGS)
        version = options.get_integer("maxSupportedTransactionVersion")
        if self._block_producer.is_status_hidden(signature):
            return None
        receipt = self._chain.ledger.find_receipt(signature)
        if receipt is None or receipt.slot > self._chain.slot_at(commitment):
            return None
        content = receipt_to_json(receipt, encoding, version, self._chain.launches)
        content["blockTime"] = self._chain.clock.unix_time(receipt.slot)
        content["slot"] = receipt.slot
        return content

    def _read_status(self, signature: str, *, search_history: bool) -> Json:
        status = self._chain.find_status(signature, search_history=search_history)
        if status is None:
            parse_signature(signature)  # an unknown signature must at least be well-formed
            return None
        if self._block_producer.is_status_hidden(signature):
            return None
        slot, err = status
        commitment = self._chain.commitment_of(slot)
        is_finalized = commitment is Commitment.FINALIZED
        return {
            "slot": slot,
            "confirmations": None if is_finalized else self._chain.clock.slot() - slot,
            "err": err,
            "status": {"Ok": None} if err is None else {"Err": err},
            "confirmationStatus": commitment,
        }
