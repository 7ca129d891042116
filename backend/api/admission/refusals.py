"""The refusals of callers: 401 with how to authenticate, 403 with what is missing.

None repeats what the caller has shown.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from backend.api.wire.problems import Problem, retry_later
from backend.domain.access.principals import Principal
from backend.domain.access.scopes import Scope, format_scopes

_CHALLENGE: Final = 'Bearer realm="orders"'
UNAUTHORIZED_HEADERS: Final = {"WWW-Authenticate": _CHALLENGE}


def refuse_credentials(detail: str) -> Problem:
    """The problem (401) of a caller whose key is missing, unknown or ambiguous."""
    return Problem(401, "unauthorized", detail, headers=UNAUTHORIZED_HEADERS)


def refuse_token(reason: str) -> Problem:
    """The problem (401) of a caller whose token is not accepted; ``reason`` says why."""
    challenge = f'{_CHALLENGE}, error="invalid_token", error_description="the token {reason}"'
    detail = f"the token in Authorization {reason}"
    return Problem(401, "invalid_token", detail, headers={"WWW-Authenticate": challenge})


def refuse_signature(reason: str) -> Problem:
    """The problem (401) of a request whose signature is not accepted; ``reason`` says why."""
    detail = f"the signature of this request {reason}"
    return Problem(401, "invalid_signature", detail, headers=UNAUTHORIZED_HEADERS)


def refuse_address(address: str) -> Problem:
    """The problem (403) of a caller whose key is for other addresses."""
    detail = f"this key is not for calls from {address or 'an address that is not known'}"
    return Problem(403, "address_not_allowed", detail)


def refuse_stale_keys() -> Problem:
    """The problem (503) of a stored key while nobody knows whether it was revoked."""
    detail = "keys cannot be checked: the database does not answer; try again shortly"
    return retry_later("keys_unavailable", detail)


def require_scope(principal: Principal, permitting: Collection[Scope]) -> None:
    """Return if a principal has one of these scopes. Raises ``Problem`` (403) that names them."""
    if principal.scopes.isdisjoint(permitting):
        names = format_scopes(permitting)
        raise Problem(
            403,
            "insufficient_scope",
            f"this needs the scope {' or '.join(names)}, which the key or token does not have",
            headers={
                "WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope",'
                f' scope="{" ".join(names)}"'
            },
            members={"scopes": names},
        )
