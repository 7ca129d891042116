"""Asks the engine for positions and balances: each two seconds while they are looked at.

Otherwise only when orders were confirmed since, and seldom: for the count in the tab.
"""

from __future__ import annotations

from typing import Final

from tui.connection.client import ApiClient, RequestRefused
from tui.model.messages import Positions
from tui.polls.polling import poll_while_live, tell_problem
from tui.session import Session
from tui.text.format import SECOND_MS
from tui.text.views import POSITIONS

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

    await poll_while_live(session, poll, interval_s=_INTERVAL_S)
