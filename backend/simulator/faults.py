"""What the node has been told to do to its clients, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.quotes import Dex
from backend.domain.tokens import Tokens

FAULTS_MAX: Final = 1_000
_TOKENS: Final = Tokens()

Seconds = Annotated[float, Field(ge=0, le=3_600)]
MoveBps = Annotated[int, Field(ge=-9_000, le=90_000)]


def token_of(name: str) -> Token:
    """The token of a symbol or a mint. Raises ``ValueError`` with a sentence."""
    try:
        return _TOKENS.find(name, "token")
    except InvalidInput as error:
        raise ValueError(error.reason) from None


TokenName = Annotated[str, AfterValidator(lambda name: token_of(name).symbol), Field(max_length=44)]
Pair = tuple[TokenName, TokenName]
"""Two tokens by symbol: the price of the first in the second."""


def tokens_of(pair: Pair) -> tuple[Token, Token]:
    """The tokens of a pair that was validated."""
    return token_of(pair[0]), token_of(pair[1])


class _Fault(BaseModel):
    """A fault strikes ``count`` times or for ``seconds``, each time with ``probability``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1


class Drop(_Fault):
    """A sent transaction is accepted and never lands."""

    fault: Literal["drop"]


class LateLanding(_Fault):
    """A sent transaction lands later than it would."""

    fault: Literal["late_landing"]
    by_seconds: Seconds


class Fail(_Fault):
    """A swap fails on chain, for the reason given."""

    fault: Literal["fail"]
    reason: Literal["slippage", "funds", "compute"] = "slippage"


class LoseResponse(_Fault):
    """A send is accepted and its answer lost: the connection closes, or the node answers 500."""

    fault: Literal["lose_response"]
    mode: Literal["close", "error"] = "close"


class Http(_Fault):
    """The node answers an HTTP error to some methods, or to all."""

    fault: Literal["http"]
    status: Literal[429, 500, 502, 503] = 503
    methods: frozenset[str] | None = None
    retry_after_seconds: Seconds | None = None


class Slow(_Fault):
    """Answers to some methods, or to all, come later."""

    fault: Literal["slow"]
    by_seconds: Seconds
    methods: frozenset[str] | None = None


class Down(_Fault):
    """The accounts of one venue cannot be read: an error, or no answer at all."""

    fault: Literal["down"]
    venue: Dex
    mode: Literal["error", "timeout"] = "error"


class LateStatus(_Fault):
    """The status of a transaction is not told until some time after it landed."""

    fault: Literal["late_status"]
    by_seconds: Seconds


class MovedPrice(_Fault):
    """A swap meets another price than it was quoted; afterwards the price is what it was."""

    fault: Literal["moved_price"]
    pair: Pair | None = None
    venue: Dex | None = None
    bps: MoveBps


Fault = Annotated[
    Drop | LateLanding | Fail | LoseResponse | Http | Slow | Down | LateStatus | MovedPrice,
    Field(discriminator="fault"),
]
FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)

Kind = TypeVar("Kind", bound=_Fault)


@dataclass(slots=True)
class _Armed:
    fault: _Fault
    until: float | None
    left: int | None


class Faults:
    """The faults that are armed, in the order in which they were. ``now`` is in seconds."""

    def __init__(self, seed: int, now: Callable[[], float]) -> None:
        self._random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
        self._now = now
        self._armed: dict[int, _Armed] = {}
        self._given = 0

    def arm(self, fault: _Fault) -> int:
        """Begin a fault; the number by which it is ended. Raises ``ValueError`` if too many are."""
        self._expire()
        if len(self._armed) >= FAULTS_MAX:
            raise ValueError(f"no more than {FAULTS_MAX} faults at once")
        self._given += 1
        until = None if fault.seconds is None else self._now() + fault.seconds
        self._armed[self._given] = _Armed(fault, until, fault.count)
        return self._given

    def end(self, number: int) -> bool:
        """End a fault; ``False`` if there is none of this number."""
        return self._armed.pop(number, None) is not None

    def clear(self) -> None:
        """End them all."""
        self._armed.clear()

    def listed(self) -> list[dict[str, object]]:
        """Every armed fault with its number and how often it may still strike."""
        self._expire()
        return [
            {"id": number, "left": armed.left, **armed.fault.model_dump(mode="json")}
            for number, armed in self._armed.items()
        ]

    def strike(
        self, kind: type[Kind], fits: Callable[[Kind], bool] = lambda _: True
    ) -> Kind | None:
        """The first fault of a kind that fits and strikes this time."""
        if not self._armed:
            return None
        self._expire()
        for number, armed in self._armed.items():
            fault = armed.fault
            if not isinstance(fault, kind) or not fits(fault):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            if armed.left is not None:
                armed.left -= 1
                if not armed.left:
                    del self._armed[number]
            return fault
        return None

    def _expire(self) -> None:
        now = self._now()
        for number, armed in list(self._armed.items()):
            if armed.until is not None and armed.until < now:
                del self._armed[number]
