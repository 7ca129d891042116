"""Tickets for WebSockets: ``POST /api/tickets``."""

from __future__ import annotations

from backend.api.admission.tickets import TICKET_S
from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response


async def issue_ticket(api: ApiContext, request: Request) -> Response:
    """``POST /api/tickets``: what opens one WebSocket in place of the caller's key."""
    ticket = await api.tickets.issue(request.principal)
    return json_response({"ticket": ticket, "expiresInS": TICKET_S}, 201)
