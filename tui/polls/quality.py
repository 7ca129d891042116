"""Asks the engine for a report and the newest fills, while the view of quality is looked at."""

from __future__ import annotations

from typing import Final

from tui.connection.client import ApiClient, RequestRefused
from tui.model.desk.quality import FILLS_MAX, PERIODS_S
from tui.model.messages import Report
from tui.polls.polling import poll_while_live, tell_problem
from tui.session import Session
from tui.text.format import SECOND_MS, format_timestamp
from tui.text.views import QUALITY

_INTERVAL_S: Final = 5


async def follow_quality(session: Session, client: ApiClient) -> None:
    """Keep the report of the chosen period up to date."""

    async def poll() -> None:
        period, group = session.quality.period, session.quality.group
        if session.shown_view != QUALITY:
            return
        length_s, query = PERIODS_S[period], {}
        if length_s is not None:
            start_ms = session.server_now_ms - length_s * SECOND_MS
            query = {"from": format_timestamp(start_ms)}
        try:
            report = await client.fetch_report(query | {"by": group})
            fills = await client.fetch_fills(query | {"limit": str(FILLS_MAX)})
        except RequestRefused as refusal:
            tell_problem(session, QUALITY, refusal)
            raise
        session.handle_message(Report(period, group, report, fills), session.source.now_ms())

    await poll_while_live(session, poll, interval_s=_INTERVAL_S)
