"""The answers of a node as typed values, and how they are read from its JSON.

Every reader takes decoded JSON and raises ``KeyError``, ``TypeError``, ``ValueError`` or
``IndexError`` where it is not what a node sends; ``Rpc`` turns those into one error.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from solders.hash import Hash
from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.venues.venue import Account

Json: TypeAlias = Any
"""JSON from outside, not yet read."""


@dataclass(frozen=True, slots=True)
class Blockhash:
    """A recent blockhash; what is signed with it can land while height ≤ ``last_valid_height``."""

    hash: Hash
    last_valid_height: int
    slot: int


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest block of a commitment: its slot, and how many blocks the chain has with it."""

    slot: int
    height: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a transaction would do now. ``err`` is the node's error as JSON, ``None`` if none."""

    err: Json
    logs: tuple[str, ...]
    units: int | None
    slot: int


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """A transaction that a block contains. ``err`` is the node's error as JSON, else ``None``."""

    slot: int
    err: Json
    commitment: Commitment


@dataclass(frozen=True, slots=True)
class Statuses:
    """What became of signatures, in the order of the question, as it was in ``slot``.

    ``None`` where no block that was searched has it.
    """

    slot: int
    found: Sequence[SignatureStatus | None]


class TokenBalance(NamedTuple):
    """What a token account held; ``mint`` and ``owner`` in base58."""

    mint: str
    owner: str
    amount: int


@dataclass(frozen=True, slots=True)
class Landed:
    """A transaction as a block contains it, with the balances before and after it.

    Lamports are in the order of the message's accounts, of which the first paid the fee; token
    balances are by the index of their account.
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
    """``getLatestBlockhash``."""
    value = result["value"]
    return Blockhash(
        Hash(bytes(Pubkey.from_string(value["blockhash"]))),  # it raises ``ValueError``
        int(value["lastValidBlockHeight"]),
        int(result["context"]["slot"]),
    )


def read_tip(result: Json) -> Tip:
    """``getEpochInfo``."""
    return Tip(int(result["absoluteSlot"]), int(result["blockHeight"]))


def read_account(value: Json) -> Account | None:
    """One account in base64; ``None`` where there is none."""
    if value is None:
        return None
    data, encoding = value["data"]
    if encoding != "base64":
        raise ValueError("not base64")
    return Account(
        Pubkey.from_string(value["owner"]), int(value["lamports"]), b64decode(data, validate=True)
    )


def read_accounts(result: Json, expected: int) -> tuple[int, list[Account | None]]:
    """``getMultipleAccounts``: the slot, and an account or ``None`` for each key."""
    accounts = [read_account(value) for value in result["value"]]
    if len(accounts) != expected:
        raise ValueError("the answer has another length than the question")
    return int(result["context"]["slot"]), accounts


def read_simulation(result: Json) -> Simulation:
    """``simulateTransaction``."""
    value = result["value"]
    units = value.get("unitsConsumed")
    return Simulation(
        value["err"],
        tuple(map(str, value.get("logs") or ())),
        None if units is None else int(units),
        int(result["context"]["slot"]),
    )


def read_statuses(result: Json, expected: int) -> Statuses:
    """``getSignatureStatuses``."""
    found = [read_status(value) for value in result["value"]]
    if len(found) != expected:
        raise ValueError("the answer has another length than the question")
    return Statuses(int(result["context"]["slot"]), found)


def read_status(value: Json) -> SignatureStatus | None:
    """One signature's status; nodes that forgot how deep a block is say ``null``: finalized."""
    if value is None:
        return None
    commitment = value.get("confirmationStatus") or Commitment.FINALIZED
    return SignatureStatus(int(value["slot"]), value["err"], Commitment(commitment))


def read_landed(result: Json) -> Landed | None:
    """``getTransaction`` in base64; ``None`` while no block contains the signature."""
    if result is None:
        return None
    meta = result["meta"]
    data, encoding = result["transaction"]
    if encoding != "base64":
        raise ValueError("not base64")
    units = meta.get("computeUnitsConsumed")
    return Landed(
        slot=int(result["slot"]),
        err=meta["err"],
        fee_lamports=int(meta["fee"]),
        logs=tuple(map(str, meta.get("logMessages") or ())),
        units=None if units is None else int(units),
        lamports_before=tuple(map(int, meta["preBalances"])),
        lamports_after=tuple(map(int, meta["postBalances"])),
        tokens_before=_token_balances(meta.get("preTokenBalances")),
        tokens_after=_token_balances(meta.get("postTokenBalances")),
        wire=b64decode(data, validate=True),
    )


def _token_balances(balances: Json) -> dict[int, TokenBalance]:
    return {
        int(b["accountIndex"]): TokenBalance(
            str(b["mint"]), str(b["owner"]), int(b["uiTokenAmount"]["amount"])
        )
        for b in balances or ()
    }
