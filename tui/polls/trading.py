"""Asks the engine, every few seconds, what holds orders up: a halt is no step of any order."""

from __future__ import annotations

from typing import Final

from tui.connection.client import ApiClient
from tui.model.messages import Totals
from tui.polls.polling import poll_while_live
from tui.session import Session

_INTERVAL_S: Final = 2


async def follow_trading(session: Session, client: ApiClient) -> None:
    """Keep what is halted in the model, of the connection that is live."""

    async def poll() -> None:
        stats = await client.fetch_stats()
        if stats.get("stopped", []) != session.model.stopped:
            session.handle_message(Totals(stats), session.source.now_ms())

    await poll_while_live(session, poll, interval_s=_INTERVAL_S)
