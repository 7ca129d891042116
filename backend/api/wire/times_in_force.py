"""The fields of an order that say how long it is tried: their schema, and what they mean."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from backend.api.wire.fields import TimeInForceName, Timestamp
from backend.api.wire.problems import FieldError
from backend.domain.orders import OrderType, TimeInForce
from backend.domain.times import parse_time

_TIMES_IN_FORCE: Final = frozenset(TimeInForce)


class TimesBody(BaseModel):
    """How long an order is tried."""

    time_in_force: TimeInForceName | None = None
    expires_at: Timestamp | None = None


def resolve_time_in_force(
    body: TimesBody, kind: OrderType | None, errors: list[FieldError]
) -> tuple[TimeInForce, datetime | None]:
    """How long an order of a type is tried, and its expiry; ``kind`` is ``None`` if it is wrong."""
    expires_at = None
    try:
        expires_at = None if body.expires_at is None else parse_time(body.expires_at)
    except ValueError as error:
        errors.append(FieldError("expiresAt", "invalid_field", str(error)))
    if body.time_in_force is None:
        return TimeInForce.GTC if expires_at is None else TimeInForce.GTD, expires_at
    name = body.time_in_force.lower()
    if name not in _TIMES_IN_FORCE:
        reason = f"must be one of {', '.join(TimeInForce)}"
        errors.append(FieldError("timeInForce", "invalid_field", reason))
        return TimeInForce.GTC, None
    time_in_force = TimeInForce(name)
    has_expiry = body.expires_at is not None or any(each.field == "expiresAt" for each in errors)
    if time_in_force is TimeInForce.GTD and not has_expiry:
        reason = "is required where timeInForce is gtd"
        errors.append(FieldError("expiresAt", "missing_field", reason))
    elif time_in_force is TimeInForce.GTC and has_expiry:
        reason = "is gtc, which does not expire: leave it or expiresAt out, or write gtd"
        errors.append(FieldError("timeInForce", "invalid_field", reason))
    if time_in_force.has_one_attempt and kind not in (None, OrderType.MARKET, OrderType.LIMIT):
        what = "are executed over time" if kind is OrderType.TWAP else "wait for their trigger"
        reason = f"is {time_in_force}, and {kind} orders {what}: leave it out"
        errors.append(FieldError("timeInForce", "invalid_field", reason))
    return time_in_force, expires_at
