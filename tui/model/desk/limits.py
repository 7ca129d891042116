"""The limits of the owner in words, with what is used and left; the page has the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from tui.model.desk.wire import WireLimits
from tui.text.format import format_exact, sanitize_text, shorten_text

_LISTED_MAX: Final = 4
_TOKEN_CELLS: Final = 9
_LOSS: Final = "maxDailyLoss"
_NAMES: Final = {
    "maxOrdersPerSecond": "orders a second",
    "maxOpenOrders": "open orders",
    "maxOrderValue": "largest order",
    "maxDailyVolume": "volume today",
    _LOSS: "loss today",
    "maxPriceImpactBps": "price impact",
    "maxReferenceDistanceBps": "below reference",
    "maxSlippageBps": "slippage",
    "allowedMints": "allowed",
    "deniedMints": "denied",
}
_NEAR: Final = {
    "HALTED": "80 % or more is lost: at the limit trading halts until a person resumes it",
    "REDUCING": "80 % or more is lost: at the limit only swaps into {} go on",
}
_REACHED: Final = {
    "HALTED": "the limit was reached: trading is halted until a person resumes it",
    "REDUCING": "the limit was reached: only swaps into {} until a person resumes trading",
}


class LimitText(NamedTuple):
    """A limit in words. ``is_near``: little or nothing is left; ``warning`` says what follows."""

    name: str
    text: str
    is_near: bool = False
    warning: str = ""


class OwnLimits(NamedTuple):
    """The limits that are set, and the day (UTC) whose volume and loss they count."""

    day: str
    texts: Sequence[LimitText]


def describe_limits(told: WireLimits) -> OwnLimits:
    """Describe the limits that are set, those that this version does not know left out."""
    return OwnLimits(sanitize_text(told["day"]), list(_describe_each(told)))


def _describe_each(told: WireLimits) -> Iterator[LimitText]:
    limits = told["limits"]
    for key, describe in _DESCRIPTIONS.items():
        if key in limits:
            yield describe(told, key)


def _describe_count(told: WireLimits, key: str) -> LimitText:
    return _describe_use(told, key, "")


def _describe_share(told: WireLimits, key: str) -> LimitText:
    return LimitText(_NAMES[key], f"at most {Decimal(str(told['limits'][key])) / 100:f} %")


def _describe_amount(told: WireLimits, key: str) -> LimitText:
    value = format_exact(str(told["limits"][key]))
    token = sanitize_text(str(told["limits"].get("reference", told["reference"])))
    if token != sanitize_text(told["reference"]):
        return LimitText(_NAMES[key], f"{value} base units of {token}", is_near=True)
    if key == _LOSS:
        return _describe_loss(told, token)
    if key in told["used"]:
        return _describe_use(told, key, token)
    return LimitText(_NAMES[key], f"{value} {token}")


def _describe_use(told: WireLimits, key: str, token: str) -> LimitText:
    """What is used of a limit, and of amounts what is left."""
    limit, used, left = (
        format_exact(str(numbers[key])) for numbers in (told["limits"], told["used"], told["left"])
    )
    rest = ", none left" if left == "0" else f", {left} left" if token else ""
    return LimitText(_NAMES[key], f"{used} of {limit} {token}".rstrip() + rest, left == "0")


def _describe_loss(told: WireLimits, token: str) -> LimitText:
    limit, state = str(told["limits"][_LOSS]), told.get("lossState")
    if state is not None:
        warning = _REACHED[state].format(token)
        return LimitText(_NAMES[_LOSS], f"{format_exact(limit)} {token}, reached", True, warning)
    line = _describe_use(told, _LOSS, token)
    if not told["isLossNear"]:
        return line
    follows = str(told["limits"].get("onDailyLoss", "HALTED"))
    return line._replace(is_near=True, warning=_NEAR[follows].format(token))


def _list_tokens(told: WireLimits, key: str) -> LimitText:
    tokens = told["limits"][key]
    if not isinstance(tokens, list):
        raise TypeError(key)
    shown = [sanitize_text(shorten_text(each, _TOKEN_CELLS, "..")) for each in tokens]
    rest = len(shown) - _LISTED_MAX
    more = f" and {rest} more" if rest > 0 else ""
    return LimitText(_NAMES[key], ", ".join(shown[:_LISTED_MAX]) + more)


_DESCRIPTIONS: Final[Mapping[str, Callable[[WireLimits, str], LimitText]]] = {
    "maxOrdersPerSecond": _describe_count,
    "maxOpenOrders": _describe_count,
    "maxOrderValue": _describe_amount,
    "maxDailyVolume": _describe_amount,
    _LOSS: _describe_amount,
    "maxPriceImpactBps": _describe_share,
    "maxReferenceDistanceBps": _describe_share,
    "maxSlippageBps": _describe_share,
    "allowedMints": _list_tokens,
    "deniedMints": _list_tokens,
}
