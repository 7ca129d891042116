"""Conditions as the rows of orders store them: JSON with exact ratios as text, ``"num/den"``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import orjson

from backend.domain.conditions import (
    Condition,
    Launch,
    Limit,
    PriceCondition,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.quotes import Dex
from backend.domain.waiting.guards import Guards
from backend.domain.waiting.slices import SliceSchedule

_SHARE: Final = "amountInBps"


def encode_ratio(price: PriceRatio) -> str:
    """The text of a price."""
    return f"{price.numerator}/{price.denominator}"


def decode_ratio(text: str) -> PriceRatio:
    """The price of a text that ``encode_ratio`` made."""
    numerator, _, denominator = text.partition("/")
    return PriceRatio(int(numerator), int(denominator))


def encode_condition(
    condition: Condition, price_of: PriceOf, amount_in_bps: int | None = None
) -> str:
    """A condition as JSON text, with the token whose price its client wrote.

    With it goes the share of what the wallet holds that is sold once it is met.
    """
    fields = {**_to_fields(condition), "priceOf": price_of.value}
    if amount_in_bps is not None:
        fields[_SHARE] = amount_in_bps
    return orjson.dumps(fields).decode()


def decode_condition(text: str) -> tuple[Condition, PriceOf]:
    """The condition of a JSON text that ``encode_condition`` made."""
    return parse_condition(orjson.loads(text))


def decode_share(text: str) -> int | None:
    """The share in the JSON text of a condition; ``None`` where the amount is fixed."""
    return orjson.loads(text)[_SHARE] if f'"{_SHARE}"' in text else None


def parse_condition(fields: dict[str, Any]) -> tuple[Condition, PriceOf]:
    """The condition of a JSON object that ``encode_condition`` made the text of."""
    return _from_fields(fields), PriceOf(fields["priceOf"])


def _to_fields(condition: Condition) -> dict[str, object]:
    match condition:
        case SliceSchedule():
            return _encode_schedule(condition)
        case Launch(guards):
            return {"kind": "launch", "guards": _encode_guards(guards)}
        case _:
            return _encode_price_condition(condition)


def _encode_price_condition(condition: PriceCondition) -> dict[str, object]:
    match condition:
        case Limit(price):
            return {"kind": "limit", "limit": encode_ratio(price)}
        case Stop(trigger, confirmations):
            fields = {"kind": "stop", "trigger": encode_ratio(trigger)}
        case TakeProfit(trigger, confirmations, then):
            fields = {"kind": "takeProfit", "trigger": encode_ratio(trigger), "then": then.value}
        case StopLimit(trigger, limit, confirmations):
            ratios = {"trigger": encode_ratio(trigger), "limit": encode_ratio(limit)}
            fields = {"kind": "stopLimit", **ratios}
        case TrailingStop(trail_bps, activation, confirmations):
            trailing = {"kind": "trailingStop", "trailBps": trail_bps}
            if activation is not None:
                trailing["activation"] = encode_ratio(activation)
            return {**trailing, "confirmations": confirmations}
    return {**fields, "confirmations": confirmations}


def _encode_schedule(schedule: SliceSchedule) -> dict[str, object]:
    fields: dict[str, object] = {
        "kind": "twap",
        "slices": schedule.slices,
        "intervalS": schedule.interval_s,
        "jitterBps": schedule.jitter_bps,
    }
    return fields if schedule.limit is None else {**fields, "limit": encode_ratio(schedule.limit)}


def _decode_schedule(fields: dict[str, Any]) -> SliceSchedule:
    limit = fields.get("limit")
    times = fields["slices"], fields["intervalS"], fields["jitterBps"]
    return SliceSchedule(*times, None if limit is None else decode_ratio(limit))


def _from_fields(fields: dict[str, Any]) -> Condition:
    match fields["kind"]:
        case "twap":
            return _decode_schedule(fields)
        case "launch":
            return Launch(_decode_guards(fields["guards"]))
        case _:
            return _decode_price_condition(fields)


def _decode_price_condition(fields: dict[str, Any]) -> PriceCondition:
    match fields["kind"]:
        case "limit":
            return Limit(decode_ratio(fields["limit"]))
        case "stop":
            return Stop(decode_ratio(fields["trigger"]), fields["confirmations"])
        case "takeProfit":
            trigger, then = decode_ratio(fields["trigger"]), Then(fields["then"])
            return TakeProfit(trigger, fields["confirmations"], then)
        case "stopLimit":
            trigger, limit = decode_ratio(fields["trigger"]), decode_ratio(fields["limit"])
            return StopLimit(trigger, limit, fields["confirmations"])
        case "trailingStop":
            text = fields.get("activation")
            activation = None if text is None else decode_ratio(text)
            return TrailingStop(fields["trailBps"], activation, fields["confirmations"])
        case kind:
            raise AssertionError(f"{kind} is no kind of condition")


def _encode_guards(guards: Guards) -> dict[str, object]:
    """The guards that ask for something, by the names of their attributes; amounts as text."""
    asked = {
        name: each
        for name, each in asdict(guards).items()
        if each is not None and each is not False
    }
    if guards.min_liquidity is not None:
        asked["min_liquidity"] = str(guards.min_liquidity)
    if guards.dexes is not None:
        asked["dexes"] = sorted(guards.dexes)
    return asked


def _decode_guards(asked: dict[str, Any]) -> Guards:
    if "min_liquidity" in asked:
        asked["min_liquidity"] = int(asked["min_liquidity"])
    if "dexes" in asked:
        asked["dexes"] = frozenset(map(Dex, asked["dexes"]))
    return Guards(**asked)
