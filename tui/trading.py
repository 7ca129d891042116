"""Asks the engine, every few seconds, what holds orders up: a halt is no step of any order."""

from __future__ import annotations

import asyncio
from typing import Final

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import Totals
from tui.session import Session

_INTERVAL_S: Final = 2


async def follow_trading(session: Session, client: ApiClient) -> None:
    """Keep what is halted in the model, of the connection that is live."""
    while True:
        if session.model.connection.status is ConnectionStatus.LIVE:
            try:
                stats = await client.fetch_stats()
            except (RequestRefused, ServerUnreachable):
                pass  # the feed tells what is wrong with the connection
            else:
                if stats.get("stopped", []) != session.model.stopped:
                    session.handle_message(Totals(stats), session.source.now_ms())
        await asyncio.sleep(_INTERVAL_S)
