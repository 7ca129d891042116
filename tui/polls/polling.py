"""The loop that all polls share: only while the connection is live, and quiet about failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tui.connection.client import RequestRefused, ServerUnreachable
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import ViewProblem
from tui.output.failure_advice import describe_request_problem
from tui.session import Session

_LIVE_CHECK_S: Final = 1
_NOT_UNDERSTOOD: Final = (ArithmeticError, LookupError, TypeError, ValueError)
"""What an answer leads to that another version of the engine gives."""


async def poll_while_live(
    session: Session, poll: Callable[[], Awaitable[object]], *, interval_s: float
) -> None:
    """Call ``poll`` each ``interval_s`` seconds until cancelled, while the connection is live.

    It is called at once when another view is looked at.

    What it could not fetch stays as it was: the feed tells what is wrong with the connection.
    """
    while True:
        is_live = session.model.connection.status is ConnectionStatus.LIVE
        if is_live:
            with suppress(RequestRefused, ServerUnreachable, *_NOT_UNDERSTOOD):
                await poll()
        wait_s = interval_s if is_live else min(_LIVE_CHECK_S, interval_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await session.view_changed.wait()


def tell_problem(session: Session, view: str, refusal: RequestRefused) -> None:
    """Show in a view why it is not up to date, and what to do."""
    text = describe_request_problem(refusal.code, refusal.detail)
    session.handle_message(ViewProblem(view, text), session.source.now_ms())
