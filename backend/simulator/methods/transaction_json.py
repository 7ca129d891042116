"""Landed transactions as JSON: as ``getTransaction`` returns them, and blocks have them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Final

from solders.message import MessageAddressTableLookup, MessageV0
from solders.transaction import VersionedTransaction

from backend.simulator.chain.launches import Launches
from backend.simulator.chain.receipts import Receipt
from backend.simulator.methods.accounts import amount_to_json
from backend.simulator.methods.params import UNSUPPORTED_VERSION, Json, RpcError
from backend.simulator.programs.runtime import TokenBalance
from backend.simulator.wire import base58

ENCODINGS: Final = ("json", "base64", "base58")


def receipt_to_json(
    receipt: Receipt, encoding: str, version: int | None, launches: Launches
) -> dict[str, Json]:
    """A landed transaction without what its block tells. Raises ``RpcError`` for its version."""
    if receipt.version == 0 and version is None:
        raise RpcError(
            UNSUPPORTED_VERSION,
            "Transaction version (0) is not supported by the requesting client. Please try "
            "the request again with the following configuration parameter: "
            '"maxSupportedTransactionVersion": 0',
        )
    before, after = receipt.lamports
    content = {
        "meta": {
            "computeUnitsConsumed": receipt.compute_units,
            "err": receipt.err,
            "fee": receipt.fee,
            "innerInstructions": [],
            "loadedAddresses": {
                "readonly": list(map(str, receipt.loaded.readonly)),
                "writable": list(map(str, receipt.loaded.writable)),
            },
            "logMessages": receipt.logs,
            "postBalances": after,
            "postTokenBalances": _balances_to_json(
                receipt.tokens, lambda balance: balance.amount_after, launches
            ),
            "preBalances": before,
            "preTokenBalances": _balances_to_json(
                receipt.tokens, lambda balance: balance.amount_before, launches
            ),
            "rewards": [],
            "status": {"Ok": None} if receipt.err is None else {"Err": receipt.err},
        },
        "transaction": encode_wire(receipt.wire, encoding),
    }
    if version is not None:
        content["version"] = receipt.version
    return content


def _balances_to_json(
    tokens: Sequence[TokenBalance],
    read_amount: Callable[[TokenBalance], int | None],
    launches: Launches,
) -> Json:
    return [
        {
            "accountIndex": balance.account_index,
            "mint": balance.mint,
            "owner": balance.owner,
            "programId": str(launches.get_token_program(balance.mint)),
            "uiTokenAmount": amount_to_json(amount, launches.get_decimals(balance.mint)),
        }
        for balance in tokens
        if (amount := read_amount(balance)) is not None
    ]


def encode_wire(wire: bytes, encoding: str) -> Json:
    """The bytes of a transaction in one of ``ENCODINGS``."""
    if encoding == "base64":
        return [b64encode(wire).decode(), encoding]
    if encoding == "base58":
        return [base58.encode(wire), encoding]
    transaction = VersionedTransaction.from_bytes(wire)
    message = transaction.message
    lookups = message.address_table_lookups if isinstance(message, MessageV0) else None
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
            **({} if lookups is None else {"addressTableLookups": _lookups_to_json(lookups)}),
        },
    }


def _lookups_to_json(lookups: Sequence[MessageAddressTableLookup]) -> Json:
    return [
        {
            "accountKey": str(lookup.account_key),
            "readonlyIndexes": list(lookup.readonly_indexes),
            "writableIndexes": list(lookup.writable_indexes),
        }
        for lookup in lookups
    ]
