"""The routes of those who operate the engine, and of owners for what they set."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backend.api.route import Route, RouteDoc
from backend.api.routes.administration import trading_states
from backend.api.routes.limits import admin_limits, own_limits
from backend.domain.access.scopes import Scope

_WHO: Final = " Without API keys, on this machine only."

_SET: Final = RouteDoc(
    "Set the limits of every owner that has none of its own of the same name",
    "operations",
    response="LimitRow",
    body="LimitsBody",
    problem_statuses=(403, 503),
    description="They take the place of all that there were. Every process knows them within a"
    " second, and 5 s at most; other values of limits hold at once." + _WHO,
    operation_id="setDefaultLimits",
)
_REMOVE: Final = RouteDoc(
    "Remove the limits of every owner",
    "operations",
    response="LimitsRemoved",
    problem_statuses=(403, 404, 503),
    description="Those that owners have of their own stay." + _WHO,
    operation_id="removeDefaultLimits",
)

LIMIT_ROUTES: Final = (
    Route(
        "GET",
        "/api/limits",
        own_limits.get_own_limits,
        RouteDoc(
            "Read the limits of the caller, and what is left of them",
            "orders",
            response="Limits",
            problem_statuses=(503,),
            description="`limits` are those of the owner and of all owners together; what is used"
            " and left is as of now.",
        ),
        scopes=(Scope.READ,),
    ),
    Route(
        "GET",
        "/api/admin/limits",
        admin_limits.list_limits,
        RouteDoc(
            "List the limits of every owner, and those of single ones",
            "operations",
            response="LimitRows",
            problem_statuses=(403, 503),
            description="Those of every owner come first, with the owner null." + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
    Route("PUT", "/api/admin/limits", admin_limits.set_limits, _SET, scopes=(Scope.ADMIN,)),
    Route(
        "DELETE", "/api/admin/limits", admin_limits.remove_limits, _REMOVE, scopes=(Scope.ADMIN,)
    ),
    Route(
        "GET",
        "/api/admin/limits/<text:owner>",
        admin_limits.get_limits,
        RouteDoc(
            "Read what holds for an owner, and what is left of it",
            "operations",
            response="Limits",
            problem_statuses=(403, 422, 503),
            description="As the owner itself reads it from `GET /api/limits`." + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
    Route(
        "PUT",
        "/api/admin/limits/<text:owner>",
        admin_limits.set_limits,
        replace(
            _SET,
            summary="Set the limits of an owner",
            operation_id="setLimits",
            description="They take the place of all that it had of its own. One that is null is"
            " no limit, whatever holds for every owner." + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
    Route(
        "DELETE",
        "/api/admin/limits/<text:owner>",
        admin_limits.remove_limits,
        replace(
            _REMOVE,
            summary="Remove the limits that an owner has of its own",
            problem_statuses=(403, 404, 422, 503),
            operation_id="removeLimits",
            description="Those of every owner hold for it again." + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
)

ADMIN_ROUTES: Final = (
    Route(
        "POST",
        "/api/admin/halt",
        trading_states.halt_trading,
        RouteDoc(
            "Halt trading: of all, an owner, a pair or an exchange",
            "operations",
            response="Halt",
            body="HaltBody",
            problem_statuses=(403, 503),
            description="Once this is answered, nothing more is signed by any process, for as long"
            " as it is halted. What is submitted is followed to its end. Orders are accepted and"
            " held, and can be cancelled and expire; a repeat replaces `why` and `state`." + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
    Route(
        "POST",
        "/api/admin/resume",
        trading_states.resume_trading,
        RouteDoc(
            "Resume trading",
            "operations",
            response="Resumed",
            body="ResumeBody",
            problem_statuses=(403, 503),
            description="Lifts the one state that is named; `resumed` is null if there was none."
            + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
    Route(
        "GET",
        "/api/admin/halts",
        trading_states.list_halts,
        RouteDoc(
            "List what is halted",
            "operations",
            response="Halts",
            problem_statuses=(403, 503),
            description="That of all orders first." + _WHO,
        ),
        scopes=(Scope.ADMIN,),
    ),
    *LIMIT_ROUTES,
)
