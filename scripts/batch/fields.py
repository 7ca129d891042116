"""The fields of an order in a file: their names, other spellings of them, and the form of values.

The names and the form of values are checked before anything is sent. What only the engine knows,
such as its tokens, it refuses itself, and the other lines are placed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches

from batch.orders import Order

FIELDS = {
    "tokenIn": "the token that is sold: a symbol or a mint address",
    "tokenOut": "the token that is bought",
    "amount": "how much of tokenIn; amountIn is another name of it",
    "type": "market, limit, stop, takeProfit, stopLimit or trailingStop; orderType is the same",
    "slippageBps": "in basis points: 50 is 0.5 %; or slippage, a fraction: 0.005",
    "maxPriceImpactBps": "refuse a route that moves its pool's price by more",
    "minAmountOut": "refuse a route that pays less of tokenOut",
    "limitPrice": "of limit and stopLimit: wait until the route pays that for all of it",
    "triggerPrice": "of stop, takeProfit and stopLimit; stopPrice is another name of it",
    "activationPrice": "of trailingStop: follow the price from then on",
    "priceOf": "whose price that is: tokenIn, or tokenOut",
    "trailBps": "of trailingStop: so far below the highest price",
    "confirmations": "so many reads in a row have to meet the trigger",
    "then": "what a takeProfit becomes: limit, or market",
    "bracketTakeProfit": "once filled, sell what it received at this price, of that token",
    "bracketStop": "once filled, sell it if the price falls to this",
    "bracketTrailBps": "once filled, sell it so far below its highest price",
    "ocoGroup": "the same in two lines, one behind the other: at most one is executed",
    "timeInForce": "gtc, gtd (until expiresAt), ioc or fok (one attempt)",
    "expiresAt": "not submitted from then on: a time such as 2027-01-31T12:00:00Z",
    "clientOrderId": "your own name of the order: the same name is placed once",
}
"""What each field means; the first three are required."""
SPELLINGS = {
    "amountIn": "amount",
    "orderType": "type",
    "slippage": "slippageBps",
    "stopPrice": "triggerPrice",
}
"""Other names of fields that are taken."""
_BPS = 10_000
INTEGER_FIELDS = {
    "slippageBps": (0, _BPS),
    "maxPriceImpactBps": (0, _BPS),
    "trailBps": (50, 5_000),
    "bracketTrailBps": (50, 5_000),
    "confirmations": (1, 10),
}
"""The fields that are whole numbers, with the least and the largest."""
ORDER_TYPES = ("market", "limit", "stop", "takeProfit", "stopLimit", "trailingStop", "sniper")
TIMES_IN_FORCE = ("gtc", "gtd", "ioc", "fok")
CLIENT_ORDER_ID_CHARACTERS_MAX = 64

_REQUIRED = ("tokenIn", "tokenOut", "amount")
_KNOWN = (*FIELDS, *SPELLINGS)
_CHOICES = (
    ("type", ORDER_TYPES),
    ("timeInForce", TIMES_IN_FORCE),
    ("priceOf", ("tokenIn", "tokenOut")),
    ("then", ("limit", "market")),
)
_NUMBERS = (
    *("amount", "amountIn", "minAmountOut", "limitPrice", "triggerPrice", "stopPrice"),
    *("activationPrice", "bracketTakeProfit", "bracketStop"),
)
_DIGITS_MAX = 40
_SLIPPAGE_FRACTION_LIMIT = Decimal("0.5")
_MEANT = {
    "from": "tokenIn",
    "input": "tokenIn",
    "sell": "tokenIn",
    "to": "tokenOut",
    "output": "tokenOut",
    "buy": "tokenOut",
    "pair": "tokenIn and tokenOut",
    "symbol": "tokenIn and tokenOut",
    "side": "tokenIn and tokenOut",
    "quantity": "amount",
    "qty": "amount",
    "size": "amount",
    "slippagetolerance": "slippageBps, in basis points",
    "slippagepercent": "slippageBps, in basis points",
    "id": "clientOrderId",
    "price": "limitPrice",
    "trailpercent": "trailBps, in basis points",
}


def find_name_faults(names: Collection[str]) -> list[str]:
    """Find what is wrong with the names of an order's fields, or of a file's columns."""
    faults = [_describe_unknown(name) for name in names if name not in _KNOWN]
    faults += [f"{name!r} is there twice" for name in _find_repeated(names)]
    faults += [
        f"{other!r} is another name of {name!r}: keep one of them"
        for other, name in SPELLINGS.items()
        if other in names and name in names
    ]
    present = {SPELLINGS.get(name, name) for name in names}
    faults += [f"{name!r} is missing" for name in _REQUIRED if name not in present]
    return faults


def _describe_unknown(name: str) -> str:
    if not name:
        return "a column has no name"
    plain = "".join(character for character in name.casefold() if character.isalnum())
    by_plain = {known.casefold(): known for known in _KNOWN}
    close = get_close_matches(plain, by_plain, n=1, cutoff=0.7)
    meant = _MEANT.get(plain) or (by_plain[close[0]] if close else "")
    hint = f"did you mean {meant}?" if meant else f"known are {', '.join(FIELDS)}"
    return f"unknown name {name[:40]!r}: {hint}"


def _find_repeated(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def translate_spellings(order: Order) -> Order:
    """The order in the names that every version of the API takes; raises ``ValueError``.

    ``amountIn`` is one of them, and stays.
    """
    if "orderType" in order:
        order["type"] = order.pop("orderType")
    if "stopPrice" in order:
        order["triggerPrice"] = order.pop("stopPrice")
    if "slippage" in order:
        order["slippageBps"] = _parse_slippage_fraction(str(order.pop("slippage")))
    return order


def _parse_slippage_fraction(text: str) -> int:
    try:
        fraction = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"slippage: {text[:40]!r} is no number") from None
    if not fraction.is_finite() or fraction < 0:
        raise ValueError(f"slippage: {text[:40]!r} must be a fraction such as 0.005")
    if fraction >= _SLIPPAGE_FRACTION_LIMIT:
        raise ValueError(
            f"slippage: {text[:40]} is a fraction or a percentage, which differ a hundredfold:"
            " write slippageBps, in basis points (1 % is 100)"
        )
    bps = fraction * _BPS
    if bps != bps.to_integral_value():
        raise ValueError(f"slippage: {text[:40]} is no whole number of basis points")
    return int(bps)


def find_value_faults(order: Mapping[str, object]) -> list[str]:
    """Find the values that an engine would refuse for their form alone."""
    faults = [
        f"{name}: {order[name]!r} must be a number above 0, such as 1.5"
        for name in _NUMBERS
        if name in order and not _is_positive_number(order[name])
    ]
    for name in INTEGER_FIELDS.keys() & order.keys():
        value, (least, most) = order[name], INTEGER_FIELDS[name]
        if not isinstance(value, int) or not least <= value <= most:
            faults.append(f"{name}: {value!r} must be a whole number from {least} to {most}")
    for name, known in _CHOICES:
        if name in order and str(order[name]).lower() not in map(str.lower, known):
            faults.append(f"{name}: {order[name]!r} must be one of {', '.join(known)}")
    if order.get("tokenIn") == order.get("tokenOut"):
        faults.append(f"tokenOut: {order.get('tokenOut')!r} is the token that is sold")
    return sorted(faults)


def _is_positive_number(value: object) -> bool:
    text = str(value)
    if not text.isascii() or len(text) > _DIGITS_MAX or "_" in text or text != text.strip():
        return False  # ``Decimal`` itself would take it, and no API does
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    return number.is_finite() and number > 0 and abs(number.adjusted()) <= _DIGITS_MAX


def is_client_order_id(value: object) -> bool:
    """Whether the API takes a value as the name of an order."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= CLIENT_ORDER_ID_CHARACTERS_MAX
        and value.isascii()
        and value.isprintable()
    )
