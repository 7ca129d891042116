"""Subscriptions of one WebSocket: their kinds, parameters and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.simulator.methods.accounts import account_to_json
from backend.simulator.methods.params import (
    INVALID_PARAMS,
    CallOptions,
    Json,
    Params,
    RpcError,
    parse_signature,
)
from backend.simulator.methods.program_accounts import ProgramFilters, parse_filters
from backend.simulator.methods.transaction_json import ENCODINGS
from backend.venues.venue import Account

RECEIVED: Final = "receivedSignature"
_LEVELS: Final = tuple(Commitment)
_BLOCK_ENCODINGS: Final = ("base64", *(each for each in ENCODINGS if each != "base64"))
"""That of blocks is base64 unless another is asked for."""
_DETAILS: Final = ("full", "signatures", "none")


class SubscriptionKind(StrEnum):
    """What a subscription is to; its methods are named after it."""

    ACCOUNT = "account"
    BLOCK = "block"
    PROGRAM = "program"
    SIGNATURE = "signature"
    SLOT = "slot"

    @property
    def notification(self) -> str:
        """The method of its notifications."""
        return f"{self}Notification"


class BlockParameters(NamedTuple):
    """Which blocks are told, and how: those that mention an account, or all without one.

    ``version`` is the newest of transactions that the subscriber understands.
    """

    mentions: Pubkey | None
    commitment: Commitment
    encoding: str
    details: str
    has_rewards: bool
    version: int | None


class Subscriber(Protocol):
    """The WebSocket that notifications are sent to."""

    def notify(self, subscription: Subscription, result: Json) -> None:
        """Send a notification, unless a fault prevents it."""
        ...


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription; ``number`` is its id on the wire, unique in the node.

    ``key`` is the account, the program or the signature, ``sent`` the account as the subscriber
    knows it, ``sent_accounts`` those of the program that ``filters`` mean. ``block`` is what a
    subscription to blocks asks for.
    """

    number: int
    kind: SubscriptionKind
    subscriber: Subscriber
    key: str = ""
    commitment: Commitment = Commitment.FINALIZED
    options: CallOptions = CallOptions({})  # noqa: RUF009 - immutable
    has_received: bool = False
    sent: Account | None = None
    filters: ProgramFilters | None = None
    sent_accounts: dict[Pubkey, Account] = field(default_factory=dict)
    block: BlockParameters | None = None

    def is_reached(self, commitment: Commitment) -> bool:
        """Whether a block with this commitment satisfies the subscription."""
        return _LEVELS.index(commitment) >= _LEVELS.index(self.commitment)

    def build_program_result(self, slot: int, key: Pubkey, account: Account) -> Json:
        """The result that tells an account of a program."""
        value = {"pubkey": str(key), "account": account_to_json(account, self.options)}
        return {"context": {"slot": slot}, "value": value}

    def build_account_result(self, slot: int, account: Account | None) -> Json:
        """The result that tells the account; one that is gone is told as an empty one."""
        value = account_to_json(account or _NO_ACCOUNT, self.options)
        return {"context": {"slot": slot}, "value": value}


_NO_ACCOUNT: Final = Account(Pubkey.default(), 0, b"")


def parse_subscription(
    kind: SubscriptionKind, params: Params, number: int, subscriber: Subscriber
) -> Subscription:
    """Parse the parameters of a subscribe request. Raises ``RpcError``."""
    if kind is SubscriptionKind.SLOT:
        return Subscription(number, kind, subscriber)
    if kind is SubscriptionKind.BLOCK:
        return Subscription(number, kind, subscriber, block=_parse_block(params))
    text, options = params.get_string(0), params.get_options(1)
    if kind in {SubscriptionKind.ACCOUNT, SubscriptionKind.PROGRAM}:
        key = _parse_account(text)
        account_to_json(None, options)  # refuses an encoding that is not supported
        subscription = Subscription(
            number, kind, subscriber, key, options.get_commitment(), options
        )
        if kind is SubscriptionKind.PROGRAM:
            subscription.filters = parse_filters(options)
        return subscription
    try:
        key = parse_signature(text)
    except RpcError:
        raise _invalid("signature") from None
    return Subscription(
        number,
        kind,
        subscriber,
        key,
        options.get_commitment(),
        has_received=options.get_flag("enableReceivedNotification"),
    )


def _parse_block(params: Params) -> BlockParameters:
    options = params.get_options(1)
    commitment = options.get_commitment()
    if commitment is Commitment.PROCESSED:
        raise RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`")
    return BlockParameters(
        _parse_mentioned(params),
        commitment,
        options.get_choice("encoding", _BLOCK_ENCODINGS),
        options.get_choice("transactionDetails", _DETAILS),
        options.get_flag("showRewards"),
        options.get_integer("maxSupportedTransactionVersion"),
    )


def _parse_mentioned(params: Params) -> Pubkey | None:
    """The account that blocks have to mention; ``None`` for all blocks."""
    mentioned = params.get_value(0)
    if mentioned == "all":
        return None
    if not isinstance(mentioned, dict) or list(mentioned) != ["mentionsAccountOrProgram"]:
        raise RpcError(
            INVALID_PARAMS,
            "Invalid params: expected `all` or `mentionsAccountOrProgram` at position 0",
        )
    try:
        return Pubkey.from_string(params.get_options(0).get_string("mentionsAccountOrProgram"))
    except ValueError:
        raise _invalid("mentions_account_or_program") from None


def _parse_account(text: str) -> str:
    try:
        return str(Pubkey.from_string(text))
    except ValueError:
        raise _invalid("pubkey") from None


def _invalid(name: str) -> RpcError:
    return RpcError(INVALID_PARAMS, f"Invalid Request: Invalid {name} provided")
