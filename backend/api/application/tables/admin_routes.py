"""The routes of those who operate the engine."""

from __future__ import annotations

from typing import Final

from backend.api.route import Route, RouteDoc
from backend.api.routes.administration import trading_states
from backend.domain.access.scopes import Scope

_WHO: Final = " Without API keys, on this machine only."

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
)
