"""Draws orders of every type that waits for a price, each with the rule that its replay follows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Final

from backend.domain.amounts import Token, format_amount
from backend.domain.conditions import CONFIRMATIONS_DEFAULT
from backend.trials.oracle.restrictions import UNRESTRICTED, Restriction
from backend.trials.oracle.rules import BPS, Rule, Sense

Json = dict[str, Any]
Direction = tuple[Token, Token]

TYPES: Final = ("limit", "takeProfit", "stop", "stopLimit", "trailingStop")
DISTANCE_MAX: Final = 0.06
"""Prices are drawn up to so far from the market's, on both sides of it."""
DIGITS: Final = (4, 6, 9, 12)
_OWN_CAP_SHARE: Final = 0.2
_MINIMUM_SHARE: Final = 0.1
_OTHER_TOKEN_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class DrawnOrder:
    """An order: the body of its request, and the rule by which its price is met.

    ``pools`` are the addresses of those that it may use, ``None`` for all.
    """

    direction: Direction
    amount_in: int
    body: Json
    rule: Rule
    pools: frozenset[str] | None = None


def draw_order(
    random: Random,
    direction: Direction,
    amount_in: int,
    market: Fraction,
    cap_bps: int,
    restriction: Restriction = UNRESTRICTED,
) -> DrawnOrder:
    """Draw an order whose executable price is ``market`` now; ``cap_bps`` is the default cap."""
    token_in, token_out = direction
    body: Json = {
        "tokenIn": token_in.symbol,
        "tokenOut": token_out.symbol,
        "amount": format_amount(amount_in, token_in.decimals),
        "type": random.choice(TYPES),
        **restriction.fields,
    }
    if random.random() < _OWN_CAP_SHARE:
        cap_bps = body["maxPriceImpactBps"] = random.choice((1, 5, 20, 100, BPS))
    if random.random() < _OTHER_TOKEN_SHARE:
        body["priceOf"] = "tokenOut"
    rule = _draw_rule(random, body, direction, amount_in, market)
    if rule.sense is Sense.RISING:
        rule = rule._replace(cap_bps=cap_bps)
    return DrawnOrder(direction, amount_in, body, rule, restriction.pools)


def _draw_rule(
    random: Random, body: Json, direction: Direction, amount_in: int, market: Fraction
) -> Rule:
    def write_price(field: str) -> Fraction:
        return _write_price(random, body, field, direction, market)

    kind = body["type"]
    if kind == "limit":
        if random.random() >= _MINIMUM_SHARE:
            return Rule(Sense.RISING, write_price("limitPrice"))
        least = max(1, int(market * amount_in * _draw_distance(random)))
        body.pop("priceOf", None)
        body["minAmountOut"] = format_amount(least, direction[1].decimals)
        return Rule(Sense.RISING, Fraction(least, amount_in))
    reads = random.choice((1, 1, CONFIRMATIONS_DEFAULT, 3, 5))
    if reads != CONFIRMATIONS_DEFAULT:
        body["confirmations"] = reads
    if kind == "trailingStop":
        body["trailBps"] = random.randrange(50, 900)
        activation = write_price("activationPrice") if random.random() < 0.5 else None
        return Rule(Sense.TRAILING, activation, reads, body["trailBps"])
    if kind == "takeProfit":
        body["then"] = random.choice(("limit", "market"))
        return Rule(Sense.RISING, write_price("triggerPrice"), reads)
    if kind == "stopLimit":
        write_price("limitPrice")
    return Rule(Sense.FALLING, write_price("triggerPrice"), reads)


def _draw_distance(random: Random) -> Fraction:
    return Fraction(1 + random.uniform(-DISTANCE_MAX, DISTANCE_MAX))


def _write_price(
    random: Random, body: Json, field: str, direction: Direction, market: Fraction
) -> Fraction:
    """Write a price near the market's into the body, as a decimal; return what it says exactly."""
    token_in, token_out = direction
    units = Fraction(10**token_in.decimals, 10**token_out.decimals)
    wanted = market * units * _draw_distance(random)
    is_of_token_out = body.get("priceOf") == "tokenOut"
    text = _round_decimal(1 / wanted if is_of_token_out else wanted, random.choice(DIGITS))
    body[field] = text
    written = Fraction(text)
    return (1 / written if is_of_token_out else written) / units


def _round_decimal(value: Fraction, digits: int) -> str:
    quotient = Decimal(value.numerator) / Decimal(value.denominator)
    return f"{Decimal(f'{quotient:.{digits - 1}e}'):f}"
