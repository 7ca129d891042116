"""The orders of a batch: drawn with a seed, or read from a file.

Every order is given a ``clientOrderId`` made from the seed and from the orders themselves. The API
takes an order with a name that it knows for a repeat and answers with the first one, so the same
command can be given twice, after a crash too, and nothing is bought twice.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import click

Order = dict[str, Any]

_GRID = 1_000
_WHOLE_NUMBERS = frozenset({"slippageBps"})


class BadInput(click.ClickException):
    """What was asked for cannot be tried; the text says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several things, taken as often as its weight says."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """What orders are drawn from; amounts are of the token that is sold."""

    count: int
    pairs: Sequence[Choice]
    types: Sequence[Choice]
    side: str
    low: Decimal
    high: Decimal
    slippage_bps: int | None
    min_amount_out: str | None

    def orders(self, seed: int) -> list[Order]:
        """The orders: the same for the same seed."""
        random = Random(seed)  # noqa: S311 - orders to play with, not secrets
        return [self._order(random) for _ in range(self.count)]

    def _order(self, random: Random) -> Order:
        base, _, quote = _drawn(self.pairs, random).partition("/")
        is_sale = self.side == "sell" or (self.side == "mixed" and random.random() < 0.5)
        order: Order = {
            "tokenIn": base if is_sale else quote,
            "tokenOut": quote if is_sale else base,
            "amount": self._amount(random),
            "type": _drawn(self.types, random),
        }
        if self.slippage_bps is not None:
            order["slippageBps"] = self.slippage_bps
        if self.min_amount_out is not None:
            order["minAmountOut"] = self.min_amount_out
        return order

    def _amount(self, random: Random) -> str:
        step = (self.high - self.low) / _GRID
        return f"{(self.low + step * random.randint(0, _GRID)).normalize():f}"


def choices(texts: Sequence[str]) -> list[Choice]:
    """``SOL/USDC``, or ``SOL/USDC:3`` for three times as often; raises ``BadInput``."""
    return [_choice(text) for text in texts]


def _choice(text: str) -> Choice:
    name, _, weight = text.partition(":")
    try:
        choice = Choice(name, float(weight or 1))
    except ValueError:
        raise BadInput(f"{text}: the weight behind the colon must be a number") from None
    if not name or not 0 < choice.weight < float("inf"):
        raise BadInput(f"{text}: write NAME or NAME:WEIGHT, with a weight above 0")
    return choice


def _drawn(among: Sequence[Choice], random: Random) -> str:
    weights = [choice.weight for choice in among]
    return random.choices(among, weights)[0].name


def amounts(text: str) -> tuple[Decimal, Decimal]:
    """``2.5``, or a range such as ``0.5..25``; raises ``BadInput``."""
    low, _, high = text.partition("..")
    try:
        found = Decimal(low), Decimal(high or low)
    except InvalidOperation:
        raise BadInput(f"{text}: write an amount as 2.5, or a range as 0.5..25") from None
    if not 0 < found[0] <= found[1] < Decimal("1e18"):
        raise BadInput(f"{text}: amounts go from low to high and are above 0")
    return found


def read(path: str) -> list[Order]:
    """The orders of a CSV or JSON-lines file, or of standard input (``-``); raises ``BadInput``.

    Each line is an order in the words of the API; which format it is shows in the first letter.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    lines = [line for line in text.splitlines() if line.strip()]
    orders = _json_lines(lines) if text.lstrip().startswith("{") else _csv(lines)
    if not orders:
        raise BadInput(f"{path} has no orders")
    return orders


def _json_lines(lines: Iterable[str]) -> list[Order]:
    orders = []
    for number, line in enumerate(lines, 1):
        try:
            # Numbers stay text: what is written is what is sent.
            order = json.loads(line, parse_float=str)
        except ValueError as error:
            raise BadInput(f"line {number} is no JSON: {error}") from None
        if not isinstance(order, dict):
            raise BadInput(f"line {number} is not a JSON object")
        orders.append(order)
    return orders


def _csv(lines: Iterable[str]) -> list[Order]:
    orders = []
    for row in csv.DictReader(lines):
        order: Order = {name: value for name, value in row.items() if name and value}
        for name in _WHOLE_NUMBERS & order.keys():
            order[name] = int(order[name]) if order[name].isdigit() else order[name]
        orders.append(order)
    return orders


def name_all(orders: list[Order], seed: int) -> str:
    """Give every order a name that a repeat gives it again; the name of them all."""
    text = json.dumps([seed, orders], sort_keys=True)
    run = f"{seed}-{sha256(text.encode()).hexdigest()[:12]}"
    for number, order in enumerate(orders):
        order.setdefault("clientOrderId", f"{run}-{number}")
    return run
