"""What became of signatures: statuses, and transactions as their blocks contain them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from solders.transaction import VersionedTransaction

from backend.chain.wire import Commitment
from backend.simulator.chain.block_producer import Blocks
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.receipts import Receipt
from backend.simulator.methods.accounts import ui_amount
from backend.simulator.methods.params import (
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    Json,
    Params,
    RpcError,
    context,
    signature,
)
from backend.simulator.programs.runtime import Holding
from backend.simulator.wire import base58
from backend.venues.spl import TOKEN_PROGRAM

SIGNATURES_MAX: Final = 256
_ENCODINGS: Final = ("json", "base64", "base58")
_TOKEN_PROGRAM: Final = str(TOKEN_PROGRAM)


class SignatureMethods:
    """``getSignatureStatuses`` and ``getTransaction``."""

    def __init__(self, chain: Chain, blocks: Blocks) -> None:
        self._chain = chain
        self._blocks = blocks

    def methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """By name."""
        return {
            "getSignatureStatuses": self.statuses,
            "getTransaction": self.transaction,
        }

    def statuses(self, params: Params) -> Json:
        """``getSignatureStatuses``, of at most 256."""
        texts, options = params.texts(0, SIGNATURES_MAX), params.options(1)
        search = options.flag("searchTransactionHistory")
        where = context(self._chain, options, Commitment.PROCESSED)
        return {"context": where, "value": [self._status(text, search=search) for text in texts]}

    def transaction(self, params: Params) -> Json:
        """``getTransaction``; ``null`` until the block has the commitment."""
        name, options = signature(params.text(0)), params.options(1)
        commitment = options.commitment()
        if commitment is Commitment.PROCESSED:
            raise RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`")
        encoding = options.word("encoding", _ENCODINGS)
        version = options.number("maxSupportedTransactionVersion")
        if self._blocks.is_hidden(name):
            return None
        receipt = self._chain.ledger.receipt(name)
        if receipt is None or receipt.slot > self._chain.slot_at(commitment):
            return None
        return self._landed(receipt, encoding, version)

    def _status(self, text: str, *, search: bool) -> Json:
        status = self._chain.status(text, search=search)
        if status is None:
            signature(text)  # an unknown one must at least be one
            return None
        if self._blocks.is_hidden(text):
            return None
        slot, err = status
        commitment = self._chain.commitment_of(slot)
        is_final = commitment is Commitment.FINALIZED
        return {
            "slot": slot,
            "confirmations": None if is_final else self._chain.clock.slot() - slot,
            "err": err,
            "status": {"Ok": None} if err is None else {"Err": err},
            "confirmationStatus": commitment,
        }

    def _landed(self, receipt: Receipt, encoding: str, version: int | None) -> Json:
        if receipt.version == 0 and version is None:
            raise RpcError(
                UNSUPPORTED_VERSION,
                "Transaction version (0) is not supported by the requesting client. Please try "
                "the request again with the following configuration parameter: "
                '"maxSupportedTransactionVersion": 0',
            )
        before, after = receipt.lamports
        landed = {
            "blockTime": self._chain.clock.unix_time(receipt.slot),
            "meta": {
                "computeUnitsConsumed": receipt.units,
                "err": receipt.err,
                "fee": receipt.fee,
                "innerInstructions": [],
                "loadedAddresses": {"readonly": [], "writable": []},
                "logMessages": receipt.logs,
                "postBalances": after,
                "postTokenBalances": _balances(receipt.tokens, lambda held: held.after),
                "preBalances": before,
                "preTokenBalances": _balances(receipt.tokens, lambda held: held.before),
                "rewards": [],
                "status": {"Ok": None} if receipt.err is None else {"Err": receipt.err},
            },
            "slot": receipt.slot,
            "transaction": _encoded(receipt.wire, encoding),
        }
        if version is not None:
            landed["version"] = receipt.version
        return landed


def _balances(tokens: Sequence[Holding], amount: Callable[[Holding], int | None]) -> Json:
    return [
        {
            "accountIndex": held.place,
            "mint": held.mint,
            "owner": held.owner,
            "programId": _TOKEN_PROGRAM,
            "uiTokenAmount": ui_amount(held.mint, holds),
        }
        for held in tokens
        if (holds := amount(held)) is not None
    ]


def _encoded(wire: bytes, encoding: str) -> Json:
    if encoding == "base64":
        return [b64encode(wire).decode(), encoding]
    if encoding == "base58":
        return [base58.encode(wire), encoding]
    transaction = VersionedTransaction.from_bytes(wire)
    message = transaction.message
    return {
        "signatures": [str(each) for each in transaction.signatures],
        "message": {
            "accountKeys": [str(key) for key in message.account_keys],
            "header": {
                "numReadonlySignedAccounts": message.header.num_readonly_signed_accounts,
                "numReadonlyUnsignedAccounts": message.header.num_readonly_unsigned_accounts,
                "numRequiredSignatures": message.header.num_required_signatures,
            },
            "instructions": [
                {
                    "accounts": list(each.accounts),
                    "data": base58.encode(each.data),
                    "programIdIndex": each.program_id_index,
                    "stackHeight": 1,
                }
                for each in message.instructions
            ],
            "recentBlockhash": str(message.recent_blockhash),
        },
    }
