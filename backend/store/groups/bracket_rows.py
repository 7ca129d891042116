"""Brackets as the rows of their entries store them: JSON, with conditions as those of orders."""

from __future__ import annotations

from typing import Any

import orjson

from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.store.waiting.condition_rows import encode_condition, parse_condition


def encode_bracket(bracket: Bracket) -> str:
    """A bracket as JSON text."""
    legs = {"takeProfit": bracket.take_profit, "stop": bracket.stop}
    fields = {name: _encode_leg(leg) for name, leg in legs.items() if leg is not None}
    return orjson.dumps(fields).decode()


def decode_bracket(text: str) -> Bracket:
    """The bracket of a JSON text that ``encode_bracket`` made."""
    fields = orjson.loads(text)
    return Bracket(*(_decode_leg(fields.get(name)) for name in ("takeProfit", "stop")))


def _encode_leg(leg: BracketLeg) -> dict[str, object]:
    condition = orjson.Fragment(encode_condition(leg.condition, leg.price_of))
    return {"condition": condition, "slippageBps": leg.slippage_bps}


def _decode_leg(fields: dict[str, Any] | None) -> BracketLeg | None:
    if fields is None:
        return None
    condition, price_of = parse_condition(fields["condition"])
    return BracketLeg(condition, price_of, fields["slippageBps"])
