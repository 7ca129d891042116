"""Setting limits: ``/api/admin/limits`` for every owner, ``…/<owner>`` for one."""

from __future__ import annotations

from typing import Final

from backend.api.context import ApiContext
from backend.api.routes.administration.access import require_operator
from backend.api.routes.limits.own_limits import usage_to_json
from backend.api.wire.changes.limit_schema import read_limits
from backend.api.wire.http import Request, Response, json_response, read_json_body
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.domain.errors import InvalidInput
from backend.domain.limits.order_limits import limits_to_json
from backend.domain.times import format_time
from backend.domain.trading.targets import require_line
from backend.store.limits.limit_store import ALL_OWNERS, LimitRow

OWNER_LENGTH_MAX: Final = 200


async def list_limits(api: ApiContext, request: Request) -> Response:
    """``GET /api/admin/limits``: those of every owner, and of each that has its own."""
    require_operator(api, request)
    rows = await api.services.trading.limits.list_rows()
    return json_response({"limits": [_row_to_json(api, each) for each in rows]})


async def get_limits(api: ApiContext, request: Request) -> Response:
    """``GET /api/admin/limits/<owner>``: what holds for an owner, and what is left."""
    require_operator(api, request)
    return json_response(await usage_to_json(api, _read_owner(request)))


async def set_limits(api: ApiContext, request: Request) -> Response:
    """``PUT /api/admin/limits[/<owner>]``: these limits, in place of those that there were."""
    actor, services = require_operator(api, request), api.services
    owner = _read_owner(request)
    rules = services.trading.rules
    limits = read_limits(read_json_body(request), services.tokens, rules.limits.reference)
    row = await services.trading.limits.replace(owner, limits, actor)
    await rules.refresh()
    return json_response(_row_to_json(api, row))


async def remove_limits(api: ApiContext, request: Request) -> Response:
    """``DELETE /api/admin/limits[/<owner>]``: those of every owner hold again, or none."""
    actor = require_operator(api, request)
    owner = _read_owner(request)
    if not await api.services.trading.limits.remove(owner, actor):
        whose = f"the owner {owner}" if owner else "every owner"
        raise Problem(404, "limits_not_found", f"there are no limits of {whose}")
    await api.services.trading.rules.refresh()
    return json_response({"removed": owner or None})


def _read_owner(request: Request) -> str:
    """The owner of the path; that of none is the one of every owner's limits."""
    name = request.path_variable
    if not name:
        return ALL_OWNERS
    try:
        owner = require_line("owner", name)
    except InvalidInput as error:
        raise invalid_fields([FieldError("owner", error.code, error.reason)]) from None
    if not 0 < len(owner) <= OWNER_LENGTH_MAX:
        reason = f"must have from 1 to {OWNER_LENGTH_MAX} characters"
        raise invalid_fields([FieldError("owner", "invalid_field", reason)])
    return owner


def _row_to_json(api: ApiContext, row: LimitRow) -> dict[str, object]:
    return {
        "owner": row.owner or None,
        "limits": limits_to_json(row.limits, api.services.trading.rules.limits.reference),
        "setBy": row.set_by,
        "since": format_time(row.since),
    }
