"""The fields of an order in a file: their names, other spellings of them, and how cells are read.

The names and the form of values (``checks``) are checked before anything is sent. What only the
engine knows, such as its tokens, it refuses itself, and the other lines are placed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches

from batch.checks.fees import LAMPORTS_MAX, SIGNATURE_FEE
from batch.checks.routes import HOPS_MAX, LEGS_MAX
from batch.orders import Order

FIELDS = {
    "tokenIn": "the token that is sold: a symbol or a mint address",
    "tokenOut": "the token that is bought",
    "amount": "how much of tokenIn; amountIn is another name of it; of stop, takeProfit, stopLimit"
    " and trailingStop also all, or 50%, of what the wallet holds free when it triggers",
    "type": "market, limit, stop, takeProfit, stopLimit, trailingStop, twap or sniper;"
    " orderType is another name of it",
    "slippageBps": "in basis points: 50 is 0.5 %; or slippage, a fraction: 0.005",
    "maxPriceImpactBps": "refuse a route that moves its pool's price by more",
    "minAmountOut": "refuse a route that pays less of tokenOut",
    "dexes": "the route uses these only: raydium, meteora, or a program such as raydium/clmm,"
    " with a space between; in JSON a list",
    "excludeDexes": "the route uses none of these; as dexes",
    "pools": "the route uses the pools with these addresses only; as dexes",
    "maxLegs": "the route swaps in so many pools at most",
    "maxHops": "so many swaps of the route follow each other at most",
    "onlyDirect": "true is a maxHops of 1",
    "limitPrice": "of limit, stopLimit and twap: wait until the route pays that for all of it",
    "triggerPrice": "of stop, takeProfit and stopLimit; stopPrice is another name of it",
    "activationPrice": "of trailingStop: follow the price from then on",
    "priceOf": "whose price that is: tokenIn, or tokenOut",
    "trailBps": "of trailingStop: so far below the highest price",
    "confirmations": "so many reads in a row have to meet the trigger",
    "then": "what a takeProfit becomes: limit, or market",
    "slices": "of twap: in so many orders over time",
    "intervalS": "of twap: seconds from one slice to the next",
    "jitterBps": "of twap: how far a slice may be from its share and its time",
    "minLiquidity": "of sniper: so much of tokenIn is in the pool",
    "mintAuthorityRevoked": "of sniper: true if nobody may mint more of tokenOut",
    "freezeAuthorityNone": "of sniper: true if nobody may freeze tokenOut",
    "maxTransferFeeBps": "of sniper: what a token of Token-2022 withholds, at most",
    "maxFeeBps": "of sniper: the pool's fee, at most",
    "lpLockedMinBps": "of sniper: so much of the liquidity is locked or burned",
    "maxPoolAgeS": "of sniper: the pool opened at most so many seconds ago",
    "looks": "of sniper: so many reads in a row have to agree",
    "bracketTakeProfit": "once filled, sell what it received at this price, of that token",
    "bracketStop": "once filled, sell it if the price falls to this",
    "bracketTrailBps": "once filled, sell it so far below its highest price",
    "ocoGroup": "the same in two lines, one behind the other: at most one is executed",
    "priorityFee": "auto, or what each transaction pays to be included, in lamports",
    "maxFeeLamports": "the most that each transaction pays the network",
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
    "maxLegs": (1, LEGS_MAX),
    "maxHops": (1, HOPS_MAX),
    "maxFeeLamports": (SIGNATURE_FEE, LAMPORTS_MAX),
    "trailBps": (50, 5_000),
    "bracketTrailBps": (50, 5_000),
    "confirmations": (1, 10),
    "slices": (2, 1_000),
    "intervalS": (1, 86_400),
    "jitterBps": (0, 5_000),
    "maxTransferFeeBps": (0, _BPS),
    "maxFeeBps": (0, _BPS),
    "lpLockedMinBps": (0, _BPS),
    "maxPoolAgeS": (1, 31_536_000),
    "looks": (1, 10),
}
"""The fields that are whole numbers, with the least and the largest."""
FLAG_FIELDS = ("mintAuthorityRevoked", "freezeAuthorityNone", "onlyDirect")
"""The fields that are true or false."""
LIST_FIELDS = ("dexes", "excludeDexes", "pools")
"""The fields that are lists of names, or of addresses."""
CLIENT_ORDER_ID_CHARACTERS_MAX = 64

_REQUIRED = ("tokenIn", "tokenOut", "amount")
KNOWN_NAMES = (*FIELDS, *SPELLINGS)
_FLAGS = {"true": True, "false": False}
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
    "dex": "dexes",
    "venue": "dexes",
    "pool": "pools",
    "onlydirectroutes": "onlyDirect",
    "priorityfeelamports": "priorityFee",
    "prioritizationfeelamports": "priorityFee",
}


def find_name_faults(names: Collection[str]) -> list[str]:
    """Find what is wrong with the names of an order's fields, or of a file's columns."""
    faults = [_describe_unknown(name) for name in names if name not in KNOWN_NAMES]
    faults += [f"{name!r} is there twice" for name in _find_repeated(names)]
    faults += [
        f"{other!r} is another name of {name!r}: keep one of them"
        for other, name in SPELLINGS.items()
        if other in names and name in names
    ]
    present = {SPELLINGS.get(name, name) for name in names}
    faults += [f"{name!r} is missing" for name in _REQUIRED if name not in present]
    return faults


def is_like_name(name: str) -> bool:
    """Whether a text is the name of a field, or was probably meant to be one."""
    return name in KNOWN_NAMES or bool(_find_meant(name))


def _find_meant(name: str) -> str:
    """What an unknown name was probably meant to be; empty if it is like none."""
    plain = "".join(character for character in name.casefold() if character.isalnum())
    by_plain = {known.casefold(): known for known in KNOWN_NAMES}
    close = get_close_matches(plain, by_plain, n=1, cutoff=0.7)
    return _MEANT.get(plain) or (by_plain[close[0]] if close else "")


def _describe_unknown(name: str) -> str:
    if not name:
        return "a column has no name"
    meant = _find_meant(name)
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


def convert_cells(order: Order) -> Order:
    """The order of a line of CSV with values as JSON has them; what is none of these stays text."""
    for name in INTEGER_FIELDS.keys() & order.keys():
        order[name] = int(order[name]) if _is_integer(order[name]) else order[name]
    if _is_integer(str(order.get("priorityFee"))):
        order["priorityFee"] = int(order["priorityFee"])
    for name in set(FLAG_FIELDS) & order.keys():
        order[name] = _FLAGS.get(str(order[name]).lower(), order[name])
    for name in set(LIST_FIELDS) & order.keys():
        order[name] = order[name].split()
    return order


def has_json_form(name: str, value: object) -> bool:
    """Whether a field may have a value in JSON lines: text or a number, or what else it takes."""
    if isinstance(value, list):
        return name in LIST_FIELDS
    return not isinstance(value, dict) and (not isinstance(value, bool) or name in FLAG_FIELDS)


def _is_integer(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < CLIENT_ORDER_ID_CHARACTERS_MAX


def is_client_order_id(value: object) -> bool:
    """Whether the API takes a value as the name of an order."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= CLIENT_ORDER_ID_CHARACTERS_MAX
        and value.isascii()
        and value.isprintable()
    )
