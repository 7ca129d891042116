"""Halting and resuming trading: ``/api/admin/halt``, ``…/resume`` and ``…/halts``."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.routes.administration.access import require_operator
from backend.api.wire.changes.halt_schema import read_halt, read_resume
from backend.api.wire.http import Request, Response, json_response, read_json_body
from backend.domain.times import format_time
from backend.domain.trading.states import TradingRule


async def halt_trading(api: ApiContext, request: Request) -> Response:
    """``POST /api/admin/halt``: once it is answered, no more transactions are stored or sent."""
    actor, services = require_operator(api, request), api.services
    reference = services.settings.reference_token
    halt = read_halt(read_json_body(request), services.tokens, reference)
    result = await services.trading.halt(halt.change, actor, cancels=halt.cancels)
    await services.trading.rules.refresh()
    return json_response({"halt": rule_to_json(result.rule), "cancelled": result.cancelled})


async def resume_trading(api: ApiContext, request: Request) -> Response:
    """``POST /api/admin/resume``: trading is active again; what was in force is answered."""
    actor, services = require_operator(api, request), api.services
    target = read_resume(read_json_body(request), services.tokens)
    rule = await services.trading.resume(target, actor)
    await services.trading.rules.refresh()
    return json_response({"resumed": None if rule is None else rule_to_json(rule)})


async def list_halts(api: ApiContext, request: Request) -> Response:
    """``GET /api/admin/halts``: the states in force."""
    require_operator(api, request)
    rules = api.services.trading.rules
    await rules.refresh()
    return json_response({"halts": [rule_to_json(each) for each in rules.current]})


def rule_to_json(rule: TradingRule) -> dict[str, object]:
    """Convert a state in force to JSON for clients."""
    return {
        "scope": rule.target.scope,
        "subject": rule.target.subject or None,
        "state": rule.state,
        "why": rule.why,
        "setBy": rule.set_by,
        "since": format_time(rule.since),
        "reference": rule.reference,
        "sentence": rule.describe(),
    }
