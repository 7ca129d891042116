"""The cancel timer of an owner: a dead man's switch for its open orders."""

from __future__ import annotations

from datetime import datetime

from backend.api.context import ApiContext
from backend.api.routes.place_orders import await_written
from backend.api.wire.changes.timer_schema import read_cancel_after
from backend.api.wire.http import Request, Response, json_response, read_json_body
from backend.domain.times import format_time
from backend.store.withdrawals.cancel_timers import CancelTimer

_UNKNOWN_RESULT = "whether it was set is not known, so repeat it"


async def set_cancel_timer(api: ApiContext, request: Request) -> Response:
    """``POST /api/orders/cancel-after``: set the timer anew, or turn it off."""
    seconds = read_cancel_after(read_json_body(request))
    setting = api.services.withdrawals.timers.set(request.owner, seconds)
    return _show_timer(await await_written(setting, _UNKNOWN_RESULT))


async def get_cancel_timer(api: ApiContext, request: Request) -> Response:
    """``GET /api/orders/cancel-after``."""
    return _show_timer(await api.services.withdrawals.timers.get(request.owner))


def _show_timer(timer: CancelTimer) -> Response:
    return json_response(
        {
            "seconds": timer.seconds,
            "triggerTime": _format_optional(timer.trigger_at),
            "lastTriggerTime": _format_optional(timer.last_trigger_at),
            "cancelling": timer.is_cancelling,
        }
    )


def _format_optional(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)
