"""Who may operate the engine through the API, and who that is for the audit log."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from backend.api.context import ApiContext
from backend.api.wire.forwarded import FORWARDED_HEADERS
from backend.api.wire.http import Request
from backend.api.wire.problems import Problem
from backend.domain.access.principals import OPEN_PRINCIPAL
from backend.runtime.observe_requests import get_request_id
from backend.store.audit_log.entries import Actor

_NOT_PERMITTED: Final = "not_permitted"


def require_operator(api: ApiContext, request: Request) -> Actor:
    """The caller, of whose key or token the route has asked for the scope ``admin``.

    Without API keys everybody on this machine may operate the engine. Raises ``Problem`` (403).
    """
    principal, address = request.principal, api.public_address.find_client_address(request)
    is_open = principal.key_id == OPEN_PRINCIPAL.key_id
    if is_open and not _is_on_this_machine(api, request, address):
        detail = "without API keys, only callers on this machine may operate the engine"
        raise Problem(403, _NOT_PERMITTED, detail)
    who = principal.owner if is_open else f"{principal.owner} ({principal.key_id})"
    return Actor(who, address, get_request_id() or "")


def _is_on_this_machine(api: ApiContext, request: Request, address: str) -> bool:
    """Whether the caller is, by what only a trusted proxy may say of one behind it."""
    is_direct = FORWARDED_HEADERS.isdisjoint(request.headers)
    if not is_direct and not api.public_address.is_trusted(request.peer):
        return False
    return bool(address) and ip_address(address).is_loopback
