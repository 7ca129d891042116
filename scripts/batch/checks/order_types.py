"""The fields that orders of each type have and need, and what else their type rules out.

The words are those of the engine, which refuses the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from batch.checks.routes import PROGRAMS
from batch.checks.shares import find_share_faults
from batch.groups import BRACKET_COLUMNS

CONDITION_FIELDS_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "market": (),
    "limit": ("limitPrice",),
    "stop": ("triggerPrice", "confirmations"),
    "takeProfit": ("triggerPrice", "confirmations", "then"),
    "stopLimit": ("triggerPrice", "limitPrice", "confirmations"),
    "trailingStop": ("trailBps", "activationPrice", "confirmations"),
    "twap": ("slices", "intervalS", "jitterBps", "limitPrice"),
    "sniper": (),
}
"""Every type, and the fields that say what its orders wait for."""
ORDER_TYPES = tuple(CONDITION_FIELDS_BY_TYPE)
GUARD_FIELDS = (
    *("minLiquidity", "mintAuthorityRevoked", "freezeAuthorityNone", "maxTransferFeeBps"),
    *("maxFeeBps", "lpLockedMinBps", "maxPoolAgeS", "looks"),
)
GROUPED_TYPES = ("limit", "stop", "takeProfit", "stopLimit", "trailingStop")
"""The types that wait for a price, and can be in a group."""
BRACKETED_TYPES = ("limit", "market")
REQUIRED_FIELDS_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "stop": ("triggerPrice",),
    "takeProfit": ("triggerPrice",),
    "stopLimit": ("triggerPrice",),
    "trailingStop": ("trailBps",),
    "twap": ("slices", "intervalS"),
}
LIMITED_TYPES = ("limit", "stopLimit")
"""The types that need a price or a minimum."""

_OWNERS_BY_FIELD = {
    **{
        field: tuple(kind for kind, names in CONDITION_FIELDS_BY_TYPE.items() if field in names)
        for field in chain.from_iterable(CONDITION_FIELDS_BY_TYPE.values())
    },
    **dict.fromkeys(GUARD_FIELDS, ("sniper",)),
    **dict.fromkeys(BRACKET_COLUMNS, BRACKETED_TYPES),
}
_PRICED_TYPES = tuple(name for name, fields in CONDITION_FIELDS_BY_TYPE.items() if fields)
_TYPES_BY_NAME = {kind.lower(): kind for kind in ORDER_TYPES}
_ONE_ATTEMPT = ("ioc", "fok")


def find_type_faults(order: Mapping[str, object]) -> Iterator[str]:
    """Find the fields that do not belong to an order's type, and those that it needs.

    The type of an order may be in any case; one that is not known has no faults of this kind.
    """
    fields = {name: value for name, value in order.items() if value is not None}
    kind = _TYPES_BY_NAME.get(str(fields.get("type", "market")).lower())
    if kind is not None:
        yield from _find_foreign_fields(kind, fields)
        yield from _find_missing_fields(kind, fields)
        yield from _find_time_faults(kind, fields)
        yield from find_share_faults(kind, fields)
        if kind == "sniper":
            yield from _find_sniper_faults(fields)
        if fields.get("maxPriceImpactBps") == 0 and _is_sold_at_market(kind, fields):
            what = "what its trigger sells at the market would never be sold"
            yield f"maxPriceImpactBps: is 0, which no swap keeps: {what}"


def _is_sold_at_market(kind: str, fields: Mapping[str, object]) -> bool:
    """Whether a trigger has an order sold at the market."""
    if kind == "takeProfit":
        return str(fields.get("then", "limit")).lower() == "market"
    return kind in {"stop", "trailingStop"}


def _find_foreign_fields(kind: str, fields: Mapping[str, object]) -> Iterator[str]:
    for name in fields:
        owners = _OWNERS_BY_FIELD.get(name)
        if owners is not None and kind not in owners:
            yield f"{name}: belongs to orders of type {', '.join(owners)}, not to {kind}"
    if "priceOf" in fields and kind not in _PRICED_TYPES:
        yield f"priceOf: belongs to orders that wait for a price, not to {kind}"
    if "minAmountOut" in fields and kind in _PRICED_TYPES and kind not in LIMITED_TYPES:
        instead = "give limitPrice" if kind == "twap" else "use limit or stopLimit"
        yield f"minAmountOut: is no part of {kind} orders: for a minimum {instead}"
    is_stopped_twice = "bracketStop" in fields and "bracketTrailBps" in fields
    if is_stopped_twice and kind in BRACKETED_TYPES:
        yield "bracketTrailBps: cannot go with bracketStop: give one of them"


def _find_missing_fields(kind: str, fields: Mapping[str, object]) -> Iterator[str]:
    for name in REQUIRED_FIELDS_BY_TYPE.get(kind, ()):
        if name not in fields:
            yield f"{name}: is required for {kind} orders"
    if kind in LIMITED_TYPES and fields.keys().isdisjoint({"limitPrice", "minAmountOut"}):
        yield "limitPrice: is required, or minAmountOut"


def _find_time_faults(kind: str, fields: Mapping[str, object]) -> Iterator[str]:
    time_in_force = str(fields.get("timeInForce", "")).lower()
    if time_in_force == "gtd" and "expiresAt" not in fields:
        yield "expiresAt: is required where timeInForce is gtd"
    elif time_in_force == "gtc" and "expiresAt" in fields:
        reason = "is gtc, which does not expire: leave it or expiresAt out, or write gtd"
        yield f"timeInForce: {reason}"
    has_one_attempt = time_in_force in _ONE_ATTEMPT
    if has_one_attempt and kind not in {"market", "limit"}:
        what = "are executed over time" if kind == "twap" else "wait for their trigger"
        yield f"timeInForce: is {time_in_force}, and {kind} orders {what}: leave it out"
    if "ocoGroup" not in fields:
        return
    if has_one_attempt:
        reason = f"belongs to orders that wait for a price, and timeInForce is {time_in_force}"
        yield f"ocoGroup: {reason}"
    elif kind not in GROUPED_TYPES:
        yield f"ocoGroup: belongs to orders of type {', '.join(GROUPED_TYPES)}, not to {kind}"


def _find_sniper_faults(fields: Mapping[str, object]) -> Iterator[str]:
    """Find the fields that name pools or programs: a sniper takes exchanges, as a guard."""
    names = [name for name in ("dexes", "excludeDexes", "pools") if fields.get(name)]
    dexes = fields.get("dexes")
    if isinstance(dexes, list) and {str(each).lower() for each in dexes} <= PROGRAMS.keys():
        names = [name for name in names if name != "dexes"]
    reason = "a sniper order takes whole exchanges as dexes, such as raydium, and nothing else"
    yield from (f"{name}: {reason}" for name in names)
