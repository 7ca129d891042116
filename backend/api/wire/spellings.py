"""Spellings: other names that clients use for the fields of an order, and what they may mean.

``SPELLINGS`` are taken: each says the same as a field, exactly. Other names are refused, and the
ones that clients are known to use are refused with what to write instead: nothing that concerns
money is guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from backend.api.wire.fields import integral_to_int, require_number
from backend.api.wire.json import DIGITS_MAX
from backend.domain.amounts import BPS, parse_decimal
from backend.domain.orders import OrderType
from backend.domain.spelling import add_suggestion, suggest_name

UNKNOWN_FIELD_REASON: Final = "is not a known field"

SLIPPAGE_LIMIT: Final = Decimal("0.5")
"""A ``slippage`` of this or more may be a percentage, so it is refused."""
_FRACTION_MEANT: Final = (
    "give a fraction below 0.5 (0.01 is 1 %), or slippageBps in basis points (100 is 1 %)"
)
SLIPPAGE_PATTERN: Final = r"^0?(0|\.[0-4][0-9]*)$"
"""A ``slippage`` as a string."""


def _keep_value(value: object) -> object:
    return value


def convert_slippage(value: object) -> object:
    """Convert a fraction to whole basis points.

    Raises ``ValueError`` (reason), also for what may be a percentage.
    """
    try:
        fraction = parse_decimal(require_number(value))
    except ValueError as error:
        raise ValueError(f"{error}: {_FRACTION_MEANT}") from None
    if fraction < 0:
        raise ValueError("must be a fraction from 0 to below 0.5 (0.01 is 1 %)")
    if fraction >= SLIPPAGE_LIMIT:
        raise ValueError(
            f"{value} may mean {fraction:f} % or {fraction.scaleb(2):f} %: {_FRACTION_MEANT}"
        )
    if isinstance(value, str) and not re.fullmatch(SLIPPAGE_PATTERN, value):
        raise ValueError("must be a plain decimal fraction, such as 0.01 for 1 %")
    bps = fraction * BPS
    if bps != bps.to_integral_value():
        raise ValueError("must be whole basis points: at most 4 decimals (0.0001 is 1 of them)")
    return int(bps)


class Spelling(NamedTuple):
    """Another name of a field; ``convert`` changes its value to one of that field.

    ``convert`` raises ``ValueError`` (reason).
    """

    field: str
    meaning: str
    convert: Callable[[object], object] = _keep_value


SPELLINGS: Final[Mapping[str, Spelling]] = MappingProxyType(
    {
        "amountIn": Spelling("amount", "the same"),
        "orderType": Spelling("type", "the same"),
        "stopPrice": Spelling("triggerPrice", "the same"),
        "slippage": Spelling(
            "slippageBps",
            "a fraction below 0.5 in whole basis points: 0.01 is 1 %, 100 basis points",
            convert_slippage,
        ),
    }
)
"""The other names that are taken."""

SPELLING_SCHEMAS: Final[Mapping[str, Mapping[str, object]]] = {
    "slippage": {
        "type": ["string", "number", "null"],
        "pattern": SLIPPAGE_PATTERN,
        "maxLength": DIGITS_MAX,
        "minimum": 0,
        "exclusiveMaximum": float(SLIPPAGE_LIMIT),
        "examples": [0.01],
    }
}
"""JSON Schemas of the names whose values are not those of their field."""

_SLIPPAGE_MEANT: Final = (
    "did you mean slippageBps, in basis points (100 is 1 %), or slippage, a fraction (0.01 is 1 %)?"
)
_SOLD_MEANT: Final = (
    "did you mean tokenIn, a symbol or a mint? The amount is in token units, not in base units"
)
_BOUGHT_MEANT: Final = _SOLD_MEANT.replace("tokenIn", "tokenOut")
_AMOUNT_MEANT: Final = "did you mean amount, of tokenIn, in token units?"
_MINIMUM_MEANT: Final = "did you mean minAmountOut, of tokenOut, in token units?"
_SIDE_MEANT: Final = "leave it out: tokenIn is what is sold, and tokenOut what is bought"
_OWNER_MEANT: Final = "leave it out: an order belongs to the owner of the API key"
_WALLET_MEANT: Final = "leave it out: every order is paid from, and to, the wallet of the engine"
_PRICE_MEANT: Final = (
    "did you mean limitPrice, of an order of type limit, or triggerPrice, of stop or takeProfit?"
)
_STOP_MEANT: Final = "did you mean an order of type stop, with its triggerPrice, or a bracket?"
_PROFIT_MEANT: Final = (
    "did you mean an order of type takeProfit, with its triggerPrice, or a bracket?"
)
_TRAIL_MEANT: Final = "did you mean trailBps, in basis points (100 is 1 %)?"
_EXPIRY_MEANT: Final = "did you mean expiresAt, a time such as 2027-01-31T12:00:00Z?"
_FORCE_MEANT: Final = "did you mean timeInForce: gtc, gtd, ioc or fok?"
_IMPACT_MEANT: Final = "did you mean maxPriceImpactBps, in basis points (100 is 1 %)?"
_NAME_MEANT: Final = "did you mean clientOrderId, or the header Idempotency-Key?"
_MODE_MEANT: Final = "leave it out: amount is what is sold, exactly"
_ROUTE_MEANT: Final = (
    'did you mean dexes, such as ["raydium", "meteora/dlmm"]? Without it, an order takes the route'
    " that pays most"
)
_DIRECT_MEANT: Final = "did you mean onlyDirect, true or false, or maxHops?"
_PRIORITY_MEANT: Final = (
    'did you mean priorityFee, in lamports of each transaction or "auto"? maxFeeLamports bounds it'
)
_ENVELOPE_MEANT: Final = "leave it out: the fields of the order are those of the body itself"

_MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    _SLIPPAGE_MEANT: ("slippageTolerance", "maxSlippage", "slippagePercent", "slippagePct"),
    _SOLD_MEANT: ("inputToken", "inputMint", "fromToken", "sellToken", "sourceToken", "from"),
    _BOUGHT_MEANT: ("outputToken", "outputMint", "toToken", "buyToken", "targetToken", "to"),
    _AMOUNT_MEANT: ("inputAmount", "amountToSell", "sellAmount", "fromAmount", "quantity", "size"),
    _MINIMUM_MEANT: ("minOut", "minimumAmountOut", "minReceived", "minOutput", "amountOutMin"),
    _SIDE_MEANT: ("side", "direction"),
    _OWNER_MEANT: ("userId", "user", "accountId"),
    _WALLET_MEANT: ("walletAddress", "wallet", "userWallet", "userPublicKey", "publicKey"),
    _PRICE_MEANT: ("price", "targetPrice"),
    _STOP_MEANT: ("stopLoss", "stopLossPrice", "stop"),
    _PROFIT_MEANT: ("takeProfit", "takeProfitPrice"),
    _TRAIL_MEANT: ("trailPercent", "trailingPercent", "callbackRate", "trailAmount"),
    _EXPIRY_MEANT: ("deadline", "expiry", "expiration", "validUntil", "goodTill", "ttl"),
    _FORCE_MEANT: ("tif", "duration"),
    _IMPACT_MEANT: ("priceImpact", "maxImpact", "priceImpactLimit"),
    _NAME_MEANT: ("idempotencyKey", "requestId", "clientId", "externalId", "clOrdId", "cloid"),
    _MODE_MEANT: ("swapMode", "exactIn", "exactOut"),
    _ROUTE_MEANT: ("dex", "venue", "venues", "preferredDex", "includeDexes", "routingStrategy"),
    _DIRECT_MEANT: ("onlyDirectRoutes", "directOnly", "directRoutes"),
    _PRIORITY_MEANT: (
        *("priorityFeeLamports", "prioritizationFeeLamports", "priorityFeeMicroLamports"),
        *("computeUnitPriceMicroLamports", "computeUnitPrice", "maxPriorityFee", "tipLamports"),
    ),
    _ENVELOPE_MEANT: ("order", "action", "data", "payload"),
}
_MEANING_BY_NAME: Final = {name: meaning for meaning, names in _MEANINGS.items() for name in names}


_OTHER_TYPE_NAMES: Final = {
    "stoploss": OrderType.STOP,
    "stopmarket": OrderType.STOP,
    "stoplosslimit": OrderType.STOP_LIMIT,
    "takeprofitlimit": OrderType.TAKE_PROFIT,
    "takeprofitmarket": OrderType.TAKE_PROFIT,
    "trailing": OrderType.TRAILING_STOP,
    "trailingstopmarket": OrderType.TRAILING_STOP,
    "trailingstoploss": OrderType.TRAILING_STOP,
}
"""What other exchanges call these types, in lower case and without separators."""


def list_spellings(field: str) -> list[str]:
    """A field and its other names."""
    return [field, *(name for name, spelling in SPELLINGS.items() if spelling.field == field)]


def describe_spellings(properties: dict[str, Any]) -> None:
    """Add the other names of these properties of a schema."""
    for name, spelling in SPELLINGS.items():
        if spelling.field in properties:
            own_schema = SPELLING_SCHEMAS.get(name, properties[spelling.field])
            description = f"Another name of `{spelling.field}`: {spelling.meaning}."
            properties[name] = {**own_schema, "description": description}


_NAMES_OF_ONLY_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("batch", "items", "data", "requests", "swaps", "trades", "payload"),
    "seconds": ("timeout", "ttl", "delay", "after", "countdown", "countdowntime", "timer"),
}
"""Other names, in lower case, of the field of a body that has one only."""


def explain_unknown_field(name: str, known: Collection[str]) -> str:
    """Why a field is refused, with what was probably meant; ``known`` are the fields there are."""
    if len(known) == 1:
        return _explain_beside_one(name, *known)
    meaning = _MEANING_BY_NAME.get(name)
    if meaning is None:
        spellings = [each for each, spelling in SPELLINGS.items() if spelling.field in known]
        meant = suggest_name(name, (*sorted(known), *spellings, *_MEANING_BY_NAME))
        if meant is None:
            return UNKNOWN_FIELD_REASON
        meaning = None if meant in known else _MEANING_BY_NAME.get(meant)
        meaning = meaning or f"did you mean {meant}?"
    return f"{UNKNOWN_FIELD_REASON}: {meaning}"


def _explain_beside_one(name: str, only: str) -> str:
    is_only = name.lower() in _NAMES_OF_ONLY_FIELDS.get(only, ())
    if not is_only and suggest_name(name, [only]) is None:
        return UNKNOWN_FIELD_REASON
    return f"{UNKNOWN_FIELD_REASON}: did you mean {only}?"


def explain_type(name: str) -> str:
    """Why a name of no type of orders is refused, with the type that was probably meant."""
    reason = f"must be one of {', '.join(OrderType)}"
    meant = _OTHER_TYPE_NAMES.get("".join(filter(str.isalnum, name)).lower())
    if meant is not None:
        return f"{reason}: did you mean {meant}?"
    return add_suggestion(reason, name, OrderType)


def agree(field: str, value: object, other: object) -> bool:
    """Whether two values of one field are the same."""
    if field == "type":
        return str(value).lower() == str(other).lower()
    if field == "amount":
        try:
            if value == other:
                return True  # also where it is a share
            return parse_decimal(require_number(value)) == parse_decimal(require_number(other))
        except ValueError:
            return False
    return integral_to_int(value) == other
