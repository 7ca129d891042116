"""Subscriptions of one WebSocket: their kinds, parameters and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

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
from backend.venues.venue import Account

RECEIVED: Final = "receivedSignature"
_LEVELS: Final = tuple(Commitment)


class SubscriptionKind(StrEnum):
    """What a subscription is to; its methods are named after it."""

    ACCOUNT = "account"
    PROGRAM = "program"
    SIGNATURE = "signature"
    SLOT = "slot"

    @property
    def notification(self) -> str:
        """The method of its notifications."""
        return f"{self}Notification"


class Subscriber(Protocol):
    """The WebSocket that notifications are sent to."""

    def notify(self, subscription: Subscription, result: Json) -> None:
        """Send a notification, unless a fault prevents it."""
        ...


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription; ``number`` is its id on the wire, unique in the node.

    ``key`` is the account, the program or the signature, ``sent`` the account as the subscriber
    knows it, ``sent_accounts`` those of the program that ``filters`` mean.
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


def _parse_account(text: str) -> str:
    try:
        return str(Pubkey.from_string(text))
    except ValueError:
        raise _invalid("pubkey") from None


def _invalid(name: str) -> RpcError:
    return RpcError(INVALID_PARAMS, f"Invalid Request: Invalid {name} provided")
