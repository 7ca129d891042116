"""Positions: what fills have done to an owner's tokens, and what that cost in a reference token.

All amounts are integers of base units. A position is signed: fills that sell more of a token than
they have bought, because it was deposited from elsewhere, leave it negative, with what they brought
as its cost; buying it back realizes the difference. Deposits and withdrawals of a wallet are no
fills and change no position.

A fill that closes a part of a position takes its share of the cost, rounded down; so does a fill
that closes a position and opens the opposite one, of its value. What is rounded away stays in the
position, and nothing is lost: what was realized less what the open positions cost is exactly what
the fills have brought of the reference token, at any time and by both methods.

A swap between two other tokens is worth what its route says (``FillRecord.route_value``). Where
that is not known, what the token sold has cost is carried over to the token bought.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from backend.accounting.fills import FillRecord
from backend.domain.amounts import floor_div

LOTS_MAX: Final = 100_000
"""Most open lots of one token: about 15 MB."""


class CostMethod(StrEnum):
    """Which part of a position's cost a fill that closes a part of it takes."""

    AVERAGE = "average"
    """The same share of the whole."""
    FIFO = "fifo"
    """That of what was opened first."""


class TooManyLots(Exception):
    """A token has more open lots than are kept: only the average cost can be computed."""


@dataclass(slots=True)
class Lot:
    """A part of a position that was opened together: its amount, and its cost or its proceeds."""

    amount: int
    cost: int


@dataclass(slots=True)
class Position:
    """One token: ``is_short`` if more was sold than bought; a lot has an amount above 0."""

    method: CostMethod = CostMethod.AVERAGE
    lots: deque[Lot] = field(default_factory=deque)
    is_short: bool = False
    open_amount: int = 0
    open_cost: int = 0
    """The sums of the lots."""
    realized: int = 0
    bought: int = 0
    sold: int = 0
    fill_count: int = 0
    unvalued_count: int = 0

    @property
    def amount(self) -> int:
        """What is held by fills: below 0 if more was sold than bought."""
        return -self.open_amount if self.is_short else self.open_amount

    @property
    def cost(self) -> int:
        """What the open amount has cost; below 0, what it has brought, if it is negative."""
        return -self.open_cost if self.is_short else self.open_cost

    def trade(self, change: int, value: int) -> int:
        """Buy, or sell with a change below 0, for a value; returns what that realized."""
        is_sale, left = change < 0, abs(change)
        if is_sale:
            self.sold += left
        else:
            self.bought += left
        closing = min(left, self.open_amount) if is_sale != self.is_short else 0
        realized = 0
        if closing:
            part, cost = floor_div(value * closing, left), self._close(closing)
            realized = cost - part if self.is_short else part - cost
            left, value = left - closing, value - part
        if left:
            self.is_short = is_sale
            self._open(left, value)
        self.realized += realized
        return realized

    def remove(self, amount: int) -> int:
        """Sell without a value: returns what was carried away of the cost.

        What is sold beyond the position opens a negative one that has brought nothing.
        """
        held = 0 if self.is_short else min(self.open_amount, amount)
        carried = self._close(held)
        self.sold += amount
        if amount > held:
            self.is_short = True
            self._open(amount - held, 0)
        return carried

    def _open(self, amount: int, cost: int) -> None:
        self.open_amount, self.open_cost = self.open_amount + amount, self.open_cost + cost
        if self.method is CostMethod.AVERAGE and self.lots:
            lot = self.lots[0]
            lot.amount, lot.cost = lot.amount + amount, lot.cost + cost
            return
        if len(self.lots) >= LOTS_MAX:
            raise TooManyLots
        self.lots.append(Lot(amount, cost))

    def _close(self, amount: int) -> int:
        """Take an amount out of the lots, the oldest first: returns what it has cost."""
        taken, left = 0, amount
        while left:
            lot = self.lots[0]
            part = min(left, lot.amount)
            cost = floor_div(lot.cost * part, lot.amount)
            taken, left = taken + cost, left - part
            lot.amount, lot.cost = lot.amount - part, lot.cost - cost
            if not lot.amount:
                self.lots.popleft()
        self.open_amount, self.open_cost = self.open_amount - amount, self.open_cost - taken
        return taken


class PositionBook:
    """The positions of one owner, by the names of tokens, in a reference token."""

    def __init__(self, reference: str, method: CostMethod = CostMethod.AVERAGE) -> None:
        self.reference = reference
        self.method = method
        self.positions: dict[str, Position] = {}
        self.network_fee_lamports = 0
        self.unknown_fee_count = 0

    @property
    def reference_flow(self) -> int:
        """What fills have brought of the reference token, less what they took of it."""
        held = self.positions.get(self.reference)
        return 0 if held is None else held.bought - held.sold

    def find(self, token: str) -> Position:
        """The position of a token, empty if no fill has changed it."""
        if token not in self.positions:
            self.positions[token] = Position(self.method)
        return self.positions[token]

    def book(self, fill: FillRecord) -> int:
        """Book a fill, and return what it realized. Raises ``TooManyLots``.

        One whose amount is not known changes nothing.
        """
        if fill.amount_out is None:
            return 0
        if fill.network_fee_lamports is None:
            self.unknown_fee_count += 1
        else:
            self.network_fee_lamports += fill.network_fee_lamports
        for token in (fill.token_in, fill.token_out):
            self.find(token.symbol).fill_count += 1
        # What is left of tokens in between: the reference token was paid by the token in as well,
        # others came with the swap and cost nothing of their own.
        left_over = sum(n for token, n in fill.residuals if token.symbol == self.reference)
        realized = sum(self._move(token.symbol, amount, 0) for token, amount in fill.residuals)
        value = fill.compute_value(self.reference)
        if value is None:
            return realized + self._carry_over(fill, fill.amount_out)
        realized += self._move(fill.token_in.symbol, -fill.amount_in, value + left_over)
        return realized + self._move(fill.token_out.symbol, fill.amount_out, value)

    def _move(self, token: str, change: int, value: int) -> int:
        position = self.find(token)
        if token != self.reference:
            return position.trade(change, value)
        if change < 0:
            position.sold -= change
        else:
            position.bought += change
        return 0

    def _carry_over(self, fill: FillRecord, amount_out: int) -> int:
        source, target = self.find(fill.token_in.symbol), self.find(fill.token_out.symbol)
        for position in (source, target):
            position.unvalued_count += 1
        return target.trade(amount_out, source.remove(fill.amount_in))


def encode_book(book: PositionBook) -> dict[str, object]:
    """A book as values for JSON; integers of any size are text. ``decode_book`` reads them."""
    return {
        "fees": [str(book.network_fee_lamports), book.unknown_fee_count],
        "positions": {
            name: [
                *([str(lot.amount), str(lot.cost)] for lot in each.lots),
                [each.is_short, each.fill_count, each.unvalued_count],
                [str(each.realized), str(each.bought), str(each.sold)],
            ]
            for name, each in book.positions.items()
        },
    }


def decode_book(reference: str, method: CostMethod, encoded: dict[str, object]) -> PositionBook:
    """A book as ``encode_book`` made it."""
    book = PositionBook(reference, method)
    fees, positions = encoded["fees"], encoded["positions"]
    assert isinstance(fees, list)
    assert isinstance(positions, dict)
    book.network_fee_lamports, book.unknown_fee_count = int(fees[0]), fees[1]
    for name, values in positions.items():
        book.positions[name] = _decode_position(method, values)
    return book


def _decode_position(method: CostMethod, values: Sequence[Sequence[object]]) -> Position:
    *lots, (is_short, fills, unvalued), totals = values
    realized, bought, sold = (int(str(each)) for each in totals)
    kept = deque(Lot(int(str(amount)), int(str(cost))) for amount, cost in lots)
    return Position(
        method,
        kept,
        bool(is_short),
        sum(lot.amount for lot in kept),
        sum(lot.cost for lot in kept),
        realized,
        bought,
        sold,
        int(str(fills)),
        int(str(unvalued)),
    )
