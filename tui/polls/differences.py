"""Asks the engine, twice a minute, for differences of balances that no order explains.

They are no steps of an order, so no event tells them, and the engine compares balances once a
minute.
"""

from __future__ import annotations

from typing import Final

from tui.connection.client import ApiClient
from tui.connection.source import MessageHandler
from tui.model.messages import Differences
from tui.polls.polling import poll_while_live
from tui.session import Session

INTERVAL_S: Final = 30


async def follow_differences(
    session: Session, client: ApiClient, handle_message: MessageHandler
) -> None:
    """Keep the differences up to date while the connection is live."""

    async def poll() -> None:
        differences = (await client.fetch_balances())["differences"]
        if differences != session.model.differences:
            handle_message(Differences(differences), session.source.now_ms())

    await poll_while_live(session, poll, interval_s=INTERVAL_S)
