"""The faults that the node injects, their limits, and the registry of the armed ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.quotes import Dex
from backend.domain.tokens import TokenRegistry

FAULTS_MAX: Final = 1_000
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


class _BaseFault(BaseModel):
    """A fault is triggered ``count`` times or for ``seconds``, each time with ``probability``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1


class TransactionDrop(_BaseFault):
    """A sent transaction is accepted and never lands."""

    fault: Literal["drop"]


class LateLanding(_BaseFault):
    """A sent transaction lands later than it would otherwise."""

    fault: Literal["late_landing"]
    by_seconds: Seconds


class SwapFailure(_BaseFault):
    """A swap fails on chain for ``reason``."""

    fault: Literal["fail"]
    reason: Literal["slippage", "funds", "compute"] = "slippage"


class ResponseLoss(_BaseFault):
    """A send is accepted but its response lost: the connection closes, or the status is 500."""

    fault: Literal["lose_response"]
    mode: Literal["close", "error"] = "close"


class HttpFailure(_BaseFault):
    """Requests with some methods, or all requests, get an HTTP error."""

    fault: Literal["http"]
    status: Literal[429, 500, 502, 503] = 503
    methods: frozenset[str] | None = None
    retry_after_seconds: Seconds | None = None


class MethodRefusal(_BaseFault):
    """The node does not know some methods, as those that do not list what programs own."""

    fault: Literal["refuse_method"]
    methods: frozenset[str]


class SlowResponse(_BaseFault):
    """Responses to some methods, or all responses, are delayed."""

    fault: Literal["slow"]
    by_seconds: Seconds
    methods: frozenset[str] | None = None


class VenueOutage(_BaseFault):
    """The accounts of one venue cannot be read: an error, or no response at all."""

    fault: Literal["down"]
    venue: Dex
    mode: Literal["error", "timeout"] = "error"


class LateStatus(_BaseFault):
    """The status of a transaction is not visible until some time after it landed."""

    fault: Literal["late_status"]
    by_seconds: Seconds


class PriceMove(_BaseFault):
    """A swap executes at a moved price; afterwards the price is the previous one."""

    fault: Literal["moved_price"]
    pair: TokenPair | None = None
    venue: Dex | None = None
    bps: PriceMoveBps


class NotificationFault(_BaseFault):
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


class SocketRefusal(_BaseFault):
    """A new WebSocket is refused with status 503."""

    fault: Literal["refuse_socket"]


class FalseNotification(_BaseFault):
    """A signature is notified as landed at once, whatever becomes of it."""

    fault: Literal["false_notification"]


Fault = Annotated[
    TransactionDrop
    | LateLanding
    | SwapFailure
    | ResponseLoss
    | HttpFailure
    | MethodRefusal
    | SlowResponse
    | VenueOutage
    | LateStatus
    | PriceMove
    | NotificationLoss
    | NotificationRepeat
    | LateNotification
    | SocketClosure
    | SocketRefusal
    | FalseNotification,
    Field(discriminator="fault"),
]
FAULT_ADAPTER: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)

FaultT = TypeVar("FaultT", bound=_BaseFault)


@dataclass(slots=True)
class _ArmedFault:
    fault: _BaseFault
    ends_at: float | None
    remaining: int | None


class FaultRegistry:
    """The armed faults in the order in which they were armed. ``now`` returns seconds."""

    def __init__(self, seed: int, now: Callable[[], float]) -> None:
        self._random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
        self._now = now
        self._armed: dict[int, _ArmedFault] = {}
        self._last_id = 0

    def arm(self, fault: _BaseFault) -> int:
        """Arm a fault. Returns its id. Raises ``ValueError`` if too many are armed."""
        self._remove_expired()
        if len(self._armed) >= FAULTS_MAX:
            raise ValueError(f"no more than {FAULTS_MAX} faults at once")
        self._last_id += 1
        ends_at = None if fault.seconds is None else self._now() + fault.seconds
        self._armed[self._last_id] = _ArmedFault(fault, ends_at, fault.count)
        return self._last_id

    def disarm(self, fault_id: int) -> bool:
        """Disarm a fault; ``False`` if there is none with this id."""
        return self._armed.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()

    def list_armed(self) -> list[dict[str, object]]:
        """Every armed fault with its id and how often it can still be triggered."""
        self._remove_expired()
        return [
            {"id": fault_id, "left": armed.remaining, **armed.fault.model_dump(mode="json")}
            for fault_id, armed in self._armed.items()
        ]

    def trigger(
        self, kind: type[FaultT], matches: Callable[[FaultT], bool] = lambda _: True
    ) -> FaultT | None:
        """The first armed fault of a kind that matches and whose probability hits this time."""
        if not self._armed:
            return None
        self._remove_expired()
        for fault_id, armed in self._armed.items():
            fault = armed.fault
            if not isinstance(fault, kind) or not matches(fault):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            if armed.remaining is not None:
                armed.remaining -= 1
                if not armed.remaining:
                    del self._armed[fault_id]
            return fault
        return None

    def is_armed(
        self, kind: type[FaultT], matches: Callable[[FaultT], bool] = lambda _: True
    ) -> bool:
        """Whether a fault of a kind that matches is armed; this does not trigger it."""
        if not self._armed:
            return False
        self._remove_expired()
        faults = [armed.fault for armed in self._armed.values()]
        return any(isinstance(fault, kind) and matches(fault) for fault in faults)

    def _remove_expired(self) -> None:
        now = self._now()
        for fault_id, armed in list(self._armed.items()):
            if armed.ends_at is not None and armed.ends_at < now:
                del self._armed[fault_id]
