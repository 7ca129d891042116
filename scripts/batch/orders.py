"""The orders of a batch, and those that are generated from a seed.

Every order gets a ``clientOrderId`` derived from the seed and from the orders themselves. The API
returns the existing order when it knows the ``clientOrderId`` already, so the same command can be
repeated, after a crash too, and nothing is bought twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from random import Random
from typing import Any

import click

Order = dict[str, Any]

_AMOUNT_STEPS = 1_000


class InvalidInput(click.ClickException):
    """The options or the file are invalid, or no server responds; exits with 2."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class OrderList:
    """Orders, and the line or the number of each; ``noun`` is what that number is called."""

    orders: list[Order]
    lines: list[int]
    noun: str

    def name(self, index: int) -> str:
        """The name of an order in messages: ``line 4``."""
        return f"{self.noun} {self.lines[index]}"


@dataclass(frozen=True, slots=True)
class WeightedValue:
    """One of several values, chosen with a probability in proportion to its weight."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class OrderGenerator:
    """Generates random orders; amounts are of the token that is sold."""

    count: int
    pairs: Sequence[WeightedValue]
    types: Sequence[WeightedValue]
    side: str
    low: Decimal
    high: Decimal
    slippage_bps: int | None
    min_amount_out: str | None
    max_price_impact_bps: int | None = None

    def generate(self, seed: int) -> OrderList:
        """Generate the orders: the same for the same seed."""
        random = Random(seed)  # noqa: S311 - test orders, not secrets
        orders = [self._draw_order(random) for _ in range(self.count)]
        return OrderList(orders, list(range(1, self.count + 1)), "order")

    def _draw_order(self, random: Random) -> Order:
        base, _, quote = _pick(self.pairs, random).partition("/")
        is_sale = self.side == "sell" or (self.side == "mixed" and random.random() < 0.5)
        order: Order = {
            "tokenIn": base if is_sale else quote,
            "tokenOut": quote if is_sale else base,
            "amount": self._draw_amount(random),
            "type": _pick(self.types, random),
        }
        if self.slippage_bps is not None:
            order["slippageBps"] = self.slippage_bps
        if self.max_price_impact_bps is not None:
            order["maxPriceImpactBps"] = self.max_price_impact_bps
        if self.min_amount_out is not None:
            order["minAmountOut"] = self.min_amount_out
        return order

    def _draw_amount(self, random: Random) -> str:
        step = (self.high - self.low) / _AMOUNT_STEPS
        return f"{(self.low + step * random.randint(0, _AMOUNT_STEPS)).normalize():f}"


def parse_weighted_values(texts: Sequence[str]) -> list[WeightedValue]:
    """Parse ``SOL/USDC``, or ``SOL/USDC:3`` for three times as often; raises ``InvalidInput``."""
    return [_parse_weighted_value(text) for text in texts]


def _parse_weighted_value(text: str) -> WeightedValue:
    name, _, weight = text.partition(":")
    try:
        value = WeightedValue(name, float(weight or 1))
    except ValueError:
        raise InvalidInput(f"{text}: the weight behind the colon must be a number") from None
    if not name or not 0 < value.weight < float("inf"):
        raise InvalidInput(f"{text}: write NAME or NAME:WEIGHT, with a weight above 0")
    return value


def _pick(values: Sequence[WeightedValue], random: Random) -> str:
    weights = [value.weight for value in values]
    return random.choices(values, weights)[0].name


def parse_amount_range(text: str) -> tuple[Decimal, Decimal]:
    """Parse ``2.5``, or a range such as ``0.5..25``; raises ``InvalidInput``."""
    low, _, high = text.partition("..")
    try:
        amounts = Decimal(low), Decimal(high or low)
    except InvalidOperation:
        raise InvalidInput(f"{text}: write an amount as 2.5, or a range as 0.5..25") from None
    if not 0 < amounts[0] <= amounts[1] < Decimal("1e18"):
        raise InvalidInput(f"{text}: amounts go from low to high and are above 0")
    return amounts


def assign_client_order_ids(orders: Sequence[Order], seed: int, run: str = "") -> str:
    """Set every ``clientOrderId``, the same when repeated; returns their common prefix.

    ``run`` names a run: the orders of another run are other orders.
    """
    digest = sha256(f"[{seed}, ".encode())
    encode = json.JSONEncoder(sort_keys=True).encode
    for number, order in enumerate(orders):
        digest.update(f"{', ' if number else '['}{encode(order)}".encode())
    digest.update(b"]]")
    prefix = "-".join(filter(None, (str(seed), digest.hexdigest()[:12], run)))
    for number, order in enumerate(orders):
        order.setdefault("clientOrderId", f"{prefix}-{number}")
    return prefix
