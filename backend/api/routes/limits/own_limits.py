"""``GET /api/limits``: the limits of the caller, and what is left of them."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response
from backend.domain.amounts import Token, format_amount
from backend.domain.limits.measures import is_loss_near
from backend.domain.limits.order_limits import AMOUNTS, LimitName, OwnerLimits, limits_to_json
from backend.domain.trading.states import Scope, Target, TradingState
from backend.store.limits.day_losses import LOSS_LIMIT
from backend.store.limits.limit_store import LimitUsage
from backend.store.trading.rules import TradingRules


async def get_own_limits(api: ApiContext, request: Request) -> Response:
    """What holds for the caller: nothing of other owners."""
    return json_response(await usage_to_json(api, request.owner))


async def usage_to_json(api: ApiContext, owner: str) -> dict[str, object]:
    """What holds for an owner, with what it has used and what is left. Raises ``Transient``."""
    rules = api.services.trading.rules
    usage = await api.services.trading.limits.read_usage(owner)
    used = _find_used(usage)
    reference = rules.limits.reference
    return {
        "owner": owner,
        "limits": limits_to_json(usage.limits, reference),
        "used": _show(used, reference),
        "left": _show(_find_left(usage.limits, used), reference),
        "reference": reference.symbol,
        "day": usage.day.isoformat(),
        "isLossNear": _is_loss_near(usage),
        "lossState": _find_loss_state(rules, owner),
        "stopped": rules.list_stopped(owner),
    }


def _is_loss_near(usage: LimitUsage) -> bool:
    limit = usage.limits.get(LimitName.DAILY_LOSS)
    return limit is not None and is_loss_near(usage.loss, int(str(limit)))


def _find_loss_state(rules: TradingRules, owner: str) -> TradingState | None:
    """The trading state that a loss of the owner has set, until a person resumes."""
    target = Target(Scope.OWNER, owner)
    set_by = LOSS_LIMIT.who
    found = (each for each in rules.current if each.target == target and each.set_by == set_by)
    return next((each.state for each in found), None)


def _find_used(usage: LimitUsage) -> dict[LimitName, int]:
    """What is used of those limits that are used up."""
    used = {
        LimitName.ORDERS_PER_SECOND: usage.recent,
        LimitName.OPEN_ORDERS: usage.open,
        LimitName.DAILY_VOLUME: usage.volume or 0,
        LimitName.DAILY_LOSS: usage.loss,
    }
    return {name: number for name, number in used.items() if name in usage.limits}


def _find_left(limits: OwnerLimits, used: dict[LimitName, int]) -> dict[LimitName, int]:
    return {name: max(int(str(limits[name])) - number, 0) for name, number in used.items()}


def _show(numbers: dict[LimitName, int], reference: Token) -> dict[str, object]:
    return {
        name: format_amount(number, reference.decimals) if name in AMOUNTS else number
        for name, number in numbers.items()
    }
