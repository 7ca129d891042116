"""Asks the engine for positions, balances and limits: each two seconds while they are looked at.

Otherwise only when orders were confirmed since, and seldom: for the count in the tab; and no limits
then.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from tui.connection.client import ApiClient, RequestRefused
from tui.model.messages import Limits, Positions
from tui.polls.polling import poll_while_live, tell_problem
from tui.session import Session
from tui.text.format import SECOND_MS
from tui.text.views import LIMITS, POSITIONS

_INTERVAL_S: Final = 2
_UNSEEN_INTERVAL_MS: Final = 10 * SECOND_MS


async def follow_positions(session: Session, client: ApiClient) -> None:
    """Keep positions and balances up to date while the connection is live."""
    asked_at_ms, asked_at_count = 0, -1

    async def poll() -> None:
        nonlocal asked_at_ms, asked_at_count
        now_ms, count = session.source.now_ms(), session.model.counters.by_status["confirmed"]
        is_due = count != asked_at_count and now_ms - asked_at_ms >= _UNSEEN_INTERVAL_MS
        if not is_due and session.shown_view != POSITIONS:
            return
        asked_at_ms, asked_at_count = now_ms, count
        try:
            positions = await client.fetch_positions()
            wallets = (await client.fetch_balances())["wallets"]
        except RequestRefused as refusal:
            tell_problem(session, POSITIONS, refusal)
            raise
        session.handle_message(Positions(positions, wallets), session.source.now_ms())
        if session.shown_view == POSITIONS:
            await _refresh_limits(session, client)

    await poll_while_live(session, poll, interval_s=_INTERVAL_S)


async def _refresh_limits(session: Session, client: ApiClient) -> None:
    """Read the limits; what is shown stays where they are not read."""
    try:
        limits = await client.fetch_limits()
    except RequestRefused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:  # an older engine has no limits
            tell_problem(session, LIMITS, refusal)
        return
    session.handle_message(Limits(limits), session.source.now_ms())
