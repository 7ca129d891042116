"""The bracket of an entry from the fields that its client wrote, and those fields again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.domain.amounts import Token
from backend.domain.condition_fields import ConditionFields, ConditionReader, format_condition
from backend.domain.conditions import Stop, TakeProfit, Then
from backend.domain.errors import InvalidInput
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.prices import PriceOf

TAKE_PROFIT: Final = "takeProfit"
STOP: Final = "stop"
_ANY_AMOUNT: Final = 1
"""What an entry will receive is not known: no limit is refused for it."""


@dataclass(frozen=True, slots=True)
class LegFields:
    """The fields of one leg of a bracket as they were written."""

    condition: ConditionFields
    slippage_bps: int | None = None


@dataclass(frozen=True, slots=True)
class SlippageDefaults:
    """The slippage of a leg that names none: at its limit, and at the market."""

    limit_bps: int
    market_bps: int


class BracketReader:
    """Reads the bracket of one entry; its complaints are collected in ``errors``.

    ``token_in`` and ``token_out`` are those of the entry: its legs swap them back.
    """

    def __init__(self, token_in: Token, token_out: Token, slippage: SlippageDefaults) -> None:
        self.errors: list[InvalidInput] = []
        self._pair = token_out, token_in
        self._slippage = slippage

    def read(self, take_profit: LegFields | None, stop: LegFields | None) -> Bracket | None:
        """The bracket of these legs; ``None`` if there are errors."""
        if take_profit is None and stop is None:
            self._refuse("", f"must have {TAKE_PROFIT}, {STOP}, or both", "missing_field")
            return None
        legs = [
            None if take_profit is None else self._read_leg(TAKE_PROFIT, TAKE_PROFIT, take_profit),
            None if stop is None else self._read_leg(STOP, _choose_stop_type(stop), stop),
        ]
        if self.errors:
            return None
        bracket = Bracket(*legs)
        self._check_sides(bracket)
        return None if self.errors else bracket

    def _read_leg(self, name: str, order_type: str, fields: LegFields) -> BracketLeg | None:
        written = fields.condition
        is_unset = written.trigger_price is None and written.trail_bps is None
        if name == STOP and is_unset:
            self._refuse(f"{STOP}.triggerPrice", "is required, or trailBps", "missing_field")
            return None
        if name == STOP and written.trigger_price is not None and written.trail_bps is not None:
            self._refuse(f"{STOP}.trailBps", "cannot go with triggerPrice: give one of them")
            return None
        reader = ConditionReader(*self._pair, _ANY_AMOUNT)
        condition = reader.read(order_type, written)
        for error in reader.errors:
            self._refuse(f"{name}.{error.field}", error.reason, error.code)
        if condition is None:
            return None
        slippage_bps = fields.slippage_bps
        if slippage_bps is None:
            is_limit = isinstance(condition, TakeProfit) and condition.then is Then.LIMIT
            slippage_bps = self._slippage.limit_bps if is_limit else self._slippage.market_bps
        return BracketLeg(condition, reader.price_of, slippage_bps)

    def _check_sides(self, bracket: Bracket) -> None:
        """Refuse a bracket whose two prices would be met by the same one.

        The prices of what the legs buy are the other way round.
        """
        profit, stop = bracket.take_profit, bracket.stop
        if profit is None or stop is None:
            return
        if (
            not isinstance(profit.condition, TakeProfit)
            or not isinstance(stop.condition, Stop)
            or profit.condition.trigger > stop.condition.trigger
        ):
            return
        sold, bought = self._pair
        decimals = sold.decimals, bought.decimals
        price = stop.condition.trigger.format(*decimals, profit.price_of)
        of, by, side, move = sold, bought, "above", "rises"
        if profit.price_of is PriceOf.TOKEN_OUT:
            of, by, side, move = bought, sold, "below", "falls"
        reason = (
            f"must be {side} that of {STOP}, {price}: both sell {sold.symbol} for {bought.symbol},"
            f" and gain when the price of {of.symbol} in {by.symbol} {move}"
        )
        self._refuse(f"{TAKE_PROFIT}.triggerPrice", reason)

    def _refuse(self, field: str, reason: str, code: str = "invalid_field") -> None:
        path = f"bracket.{field}" if field else "bracket"
        self.errors.append(InvalidInput(path, reason, code))


def _choose_stop_type(fields: LegFields) -> str:
    return STOP if fields.condition.trail_bps is None else "trailingStop"


def format_bracket(bracket: Bracket, token_in: Token, token_out: Token) -> dict[str, object]:
    """The fields of a bracket in the names of the wire; the tokens are those of the entry."""
    shown: dict[str, object] = {}
    for name, leg in ((TAKE_PROFIT, bracket.take_profit), (STOP, bracket.stop)):
        if leg is not None:
            fields = format_condition(leg.condition, leg.price_of, token_out, token_in)
            shown[name] = {**fields, "slippageBps": leg.slippage_bps}
    return shown
