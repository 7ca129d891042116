"""The faults that the node injects, and their limits."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.quotes import Dex
from backend.domain.tokens import TokenRegistry

_TOKENS: Final = TokenRegistry()

Seconds = Annotated[float, Field(ge=0, le=3_600)]
PriceMoveBps = Annotated[int, Field(ge=-9_000, le=90_000)]


def find_token(name: str) -> Token:
    """The token with a symbol or mint address. Raises ``ValueError`` with a sentence."""
    try:
        return _TOKENS.find(name, "token")
    except InvalidInput as error:
        raise ValueError(error.reason) from None


TokenSymbol = Annotated[
    str, AfterValidator(lambda name: find_token(name).symbol), Field(max_length=44)
]
TokenPair = tuple[TokenSymbol, TokenSymbol]
"""Base and quote token by symbol: the price is that of the first in the second."""


def resolve_pair(pair: TokenPair) -> tuple[Token, Token]:
    """The tokens of a validated pair."""
    return find_token(pair[0]), find_token(pair[1])


class BaseFault(BaseModel):
    """A fault is triggered ``count`` times or for ``seconds``, each time with ``probability``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1


class TransactionDrop(BaseFault):
    """A sent transaction is accepted and never lands."""

    fault: Literal["drop"]


class BundleUncle(BaseFault):
    """A bundle is told to have landed, and is in a block that is dropped."""

    fault: Literal["uncle_bundle"]


class LateLanding(BaseFault):
    """A sent transaction lands later than it would otherwise."""

    fault: Literal["late_landing"]
    by_seconds: Seconds


class SwapFailure(BaseFault):
    """A swap fails on chain for ``reason``."""

    fault: Literal["fail"]
    reason: Literal["slippage", "funds", "compute"] = "slippage"


class ResponseLoss(BaseFault):
    """A send is accepted but its response lost: the connection closes, or the status is 500."""

    fault: Literal["lose_response"]
    mode: Literal["close", "error"] = "close"


class HttpFailure(BaseFault):
    """Requests with some methods, or all requests, get an HTTP error."""

    fault: Literal["http"]
    status: Literal[429, 500, 502, 503] = 503
    methods: frozenset[str] | None = None
    retry_after_seconds: Seconds | None = None


class MethodRefusal(BaseFault):
    """The node does not know some methods, as those that do not list what programs own."""

    fault: Literal["refuse_method"]
    methods: frozenset[str]


class SlowResponse(BaseFault):
    """Responses to some methods, or all responses, are delayed."""

    fault: Literal["slow"]
    by_seconds: Seconds
    methods: frozenset[str] | None = None


class NodeFault(BaseFault):
    """A fault of one node of several: the others show the chain as it is."""


class Unreachability(NodeFault):
    """Connections to the node end without an answer."""

    fault: Literal["unreachable"]


class HtmlAnswer(NodeFault):
    """Requests are answered by a page, as a proxy does."""

    fault: Literal["html"]
    status: Literal[200, 403, 502] = 200


class ArrayRefusal(NodeFault):
    """JSON-RPC arrays are refused with status 403."""

    fault: Literal["refuse_arrays"]


class NodeLag(NodeFault):
    """The node shows the chain as it was so many slots ago."""

    fault: Literal["behind"]
    slots: Annotated[int, Field(ge=1, le=10_000)]


class NodeFork(NodeFault):
    """The node is on a fork of its own: what the chain includes from now on, it does not see."""

    fault: Literal["forked"]


class FalseStatus(NodeFault):
    """Signatures that no block has are told to be confirmed."""

    fault: Literal["false_status"]


class VenueOutage(BaseFault):
    """The accounts of one venue cannot be read: an error, or no response at all."""

    fault: Literal["down"]
    venue: Dex
    mode: Literal["error", "timeout"] = "error"


class LateStatus(BaseFault):
    """The status of a transaction is not visible until some time after it landed."""

    fault: Literal["late_status"]
    by_seconds: Seconds


class PriceMove(BaseFault):
    """A swap executes at a moved price; afterwards the price is the previous one."""

    fault: Literal["moved_price"]
    pair: TokenPair | None = None
    venue: Dex | None = None
    bps: PriceMoveBps


class NotificationFault(BaseFault):
    """A fault of the notifications of WebSockets: of some methods, or all."""

    methods: frozenset[str] | None = None


class NotificationLoss(NotificationFault):
    """A notification is not sent."""

    fault: Literal["lose_notification"]


class NotificationRepeat(NotificationFault):
    """A notification is sent twice."""

    fault: Literal["double_notification"]


class LateNotification(NotificationFault):
    """A notification is sent late, after those that follow it."""

    fault: Literal["late_notification"]
    by_seconds: Seconds


class SocketClosure(NotificationFault):
    """The connection is closed instead of a notification."""

    fault: Literal["close_socket"]


class SocketRefusal(BaseFault):
    """A new WebSocket is refused with status 503."""

    fault: Literal["refuse_socket"]


class FalseNotification(BaseFault):
    """A signature is notified as landed at once, or told in a block with another transaction."""

    fault: Literal["false_notification"]


class BlockFailure(BaseFault):
    """A block is notified as one that the node cannot read; it is told with the next one."""

    fault: Literal["fail_block"]


Fault = Annotated[
    TransactionDrop
    | BundleUncle
    | LateLanding
    | SwapFailure
    | ResponseLoss
    | HttpFailure
    | MethodRefusal
    | SlowResponse
    | Unreachability
    | HtmlAnswer
    | ArrayRefusal
    | NodeLag
    | NodeFork
    | FalseStatus
    | VenueOutage
    | LateStatus
    | PriceMove
    | NotificationLoss
    | NotificationRepeat
    | LateNotification
    | SocketClosure
    | SocketRefusal
    | FalseNotification
    | BlockFailure,
    Field(discriminator="fault"),
]
FAULT_ADAPTER: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
ANSWER_FAULTS: Final = (HttpFailure, MethodRefusal, NodeFault, SlowResponse)
"""The kinds of faults that one node of several may have for itself; others are the chain's."""
