"""Results of a node's JSON-RPC methods as typed values, and their readers.

Every reader takes decoded JSON and raises ``KeyError``, ``TypeError``, ``ValueError`` or
``IndexError`` where it is malformed; ``RpcClient`` converts those into one error.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from solders.hash import Hash
from solders.pubkey import Pubkey

from backend.chain.rpc.scalars import (
    read_address,
    read_amount,
    read_count,
    read_counts,
    read_error,
)
from backend.chain.wire import Commitment
from backend.venues.venue import Account

Json: TypeAlias = Any
"""Decoded JSON from the node, not yet validated."""


@dataclass(frozen=True, slots=True)
class Blockhash:
    """A recent blockhash; transactions signed with it can land up to ``last_valid_height``."""

    hash: Hash
    last_valid_height: int
    slot: int


@dataclass(frozen=True, slots=True)
class ChainTip:
    """The newest block at a commitment: its slot and its block height."""

    slot: int
    height: int


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The result of a simulated transaction. ``err`` is the node's error as JSON, if any.

    ``accounts`` are those that were asked for, as the transaction leaves them.
    """

    err: Json
    logs: tuple[str, ...]
    units: int | None
    slot: int
    accounts: tuple[Account | None, ...] = ()


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """The status of a transaction in a block. ``err`` is the node's error as JSON, if any."""

    slot: int
    err: Json
    commitment: Commitment


@dataclass(frozen=True, slots=True)
class SignatureStatuses:
    """The statuses of signatures as of ``slot``, in the order of the request.

    An entry is ``None`` where no block that was searched contains the signature.
    """

    slot: int
    entries: Sequence[SignatureStatus | None]


class AddressSignature(NamedTuple):
    """A transaction in the history of an address. ``block_time`` is in seconds since 1970.

    ``memo`` are the texts of its memos, each behind its length, or ``None`` if none is listed.
    """

    signature: str
    slot: int
    memo: str | None
    block_time: int | None


class TokenBalance(NamedTuple):
    """The balance of a token account; ``mint`` and ``owner`` are in base58."""

    mint: str
    owner: str
    amount: int


@dataclass(frozen=True, slots=True)
class LandedTransaction:
    """A transaction in a block, with the balances before and after it.

    Lamports are in the order of the message's accounts, the first of which paid the fee, followed
    by those that it names in lookup tables; token balances are keyed by the index of their account.
    """

    slot: int
    err: Json
    fee_lamports: int
    logs: tuple[str, ...]
    units: int | None
    lamports_before: tuple[int, ...]
    lamports_after: tuple[int, ...]
    tokens_before: Mapping[int, TokenBalance]
    tokens_after: Mapping[int, TokenBalance]
    wire: bytes


def read_blockhash(result: Json) -> Blockhash:
    """Read the result of ``getLatestBlockhash``."""
    value = result["value"]
    return Blockhash(
        Hash(bytes(Pubkey.from_string(value["blockhash"]))),  # ``Pubkey`` raises ``ValueError``
        int(value["lastValidBlockHeight"]),
        int(result["context"]["slot"]),
    )


def read_validity(result: Json) -> bool:
    """Read the result of ``isBlockhashValid``."""
    value = result["value"]
    if not isinstance(value, bool):
        raise TypeError("the value is no boolean")
    return value


def read_tip(result: Json) -> ChainTip:
    """Read the result of ``getEpochInfo``."""
    return ChainTip(int(result["absoluteSlot"]), int(result["blockHeight"]))


def read_prioritization_fees(result: Json) -> list[int]:
    """Read ``getRecentPrioritizationFees``: the price of each block, the newest last."""
    fees = sorted((int(entry["slot"]), int(entry["prioritizationFee"])) for entry in result)
    return [fee for _, fee in fees]


def read_account(value: Json) -> Account | None:
    """Read one account in base64; ``None`` where there is none."""
    if value is None:
        return None
    data, encoding = value["data"]
    if encoding != "base64":
        raise ValueError("not base64")
    return Account(
        Pubkey.from_string(value["owner"]), int(value["lamports"]), b64decode(data, validate=True)
    )


def read_accounts(result: Json, expected: int) -> tuple[int, list[Account | None]]:
    """Read ``getMultipleAccounts``: the slot, and an account or ``None`` for each key."""
    accounts = [read_account(value) for value in result["value"]]
    if len(accounts) != expected:
        raise ValueError("the result has a different length than the request")
    return int(result["context"]["slot"]), accounts


def read_executables(result: Json, expected: int) -> list[bool | None]:
    """Read whether each of ``getMultipleAccounts`` is a program; ``None`` where there is none."""
    values = result["value"]
    if len(values) != expected:
        raise ValueError("the result has a different length than the request")
    return [None if value is None else bool(value["executable"]) for value in values]


def read_program_accounts(result: Json) -> tuple[int, dict[Pubkey, Account]]:
    """Read ``getProgramAccounts`` with its context: the slot, and the accounts by address."""
    accounts = (read_program_account(value) for value in result["value"])
    return int(result["context"]["slot"]), dict(accounts)


def read_program_account(value: Json) -> tuple[Pubkey, Account]:
    """Read an account of a program with its address, as lists and notifications have it."""
    account = read_account(value["account"])
    if account is None:
        raise ValueError("an account of a program is missing")
    return Pubkey.from_string(value["pubkey"]), account


def read_simulation(result: Json) -> SimulationResult:
    """Read the result of ``simulateTransaction``."""
    value = result["value"]
    units = value.get("unitsConsumed")
    return SimulationResult(
        read_error(value["err"]),
        tuple(map(str, value.get("logs") or ())),
        None if units is None else int(units),
        int(result["context"]["slot"]),
        tuple(map(read_account, value.get("accounts") or ())),
    )


def read_statuses(result: Json, expected: int) -> SignatureStatuses:
    """Read the result of ``getSignatureStatuses``."""
    entries = [read_status(value) for value in result["value"]]
    if len(entries) != expected:
        raise ValueError("the result has a different length than the request")
    return SignatureStatuses(int(result["context"]["slot"]), entries)


def read_status(value: Json) -> SignatureStatus | None:
    """Read one signature's status; a commitment of ``null`` means that its block is finalized.

    One with an error that is none shows no outcome: the others of its request still do.
    """
    if value is None:
        return None
    slot, err = read_count(value["slot"]), value["err"]
    commitment = Commitment(value.get("confirmationStatus") or Commitment.FINALIZED)
    try:
        return SignatureStatus(slot, read_error(err), commitment)
    except (TypeError, ValueError):
        return SignatureStatus(slot, None, Commitment.PROCESSED)


def read_address_signatures(result: Json) -> list[AddressSignature]:
    """Read the result of ``getSignaturesForAddress``."""
    return [
        AddressSignature(
            str(entry["signature"]), int(entry["slot"]), entry.get("memo"), entry.get("blockTime")
        )
        for entry in result
    ]


def read_transaction(result: Json) -> LandedTransaction | None:
    """Read ``getTransaction`` in base64; ``None`` while no block contains the signature."""
    if result is None:
        return None
    meta = result["meta"]
    data, encoding = result["transaction"]
    if encoding != "base64":
        raise ValueError("not base64")
    units = meta.get("computeUnitsConsumed")
    before, after = read_counts(meta["preBalances"]), read_counts(meta["postBalances"])
    fee = read_count(meta["fee"])
    if len(before) != len(after) or (before and fee > before[0]):
        raise ValueError("balances that do not fit together")
    return LandedTransaction(
        slot=read_count(result["slot"]),
        err=read_error(meta["err"]),
        fee_lamports=fee,
        logs=tuple(map(str, meta.get("logMessages") or ())),
        units=None if units is None else read_count(units),
        lamports_before=before,
        lamports_after=after,
        tokens_before=_read_token_balances(meta.get("preTokenBalances")),
        tokens_after=_read_token_balances(meta.get("postTokenBalances")),
        wire=b64decode(data, validate=True),
    )


def _read_token_balances(balances: Json) -> dict[int, TokenBalance]:
    read = {
        read_count(b["accountIndex"]): TokenBalance(
            read_address(b["mint"]),
            read_address(b["owner"]),
            read_amount(b["uiTokenAmount"]["amount"]),
        )
        for b in balances or ()
    }
    if len(read) != len(balances or ()):
        raise ValueError("a token account is listed twice")
    return read
