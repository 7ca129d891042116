"""Asks the engine, twice a minute, for differences of balances that no order explains.

They are no steps of an order, so no event tells them, and the engine compares balances once a
minute.
"""

from __future__ import annotations

import asyncio
from typing import Final

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.connection.source import MessageHandler
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import Differences
from tui.session import Session

INTERVAL_S: Final = 30
_LIVE_CHECK_S: Final = 1


async def follow_differences(
    session: Session, client: ApiClient, handle_message: MessageHandler
) -> None:
    """Keep the differences up to date while the connection is live."""
    while True:
        if session.model.connection.status is not ConnectionStatus.LIVE:
            await asyncio.sleep(_LIVE_CHECK_S)
            continue
        try:
            differences = await client.fetch_differences()
        except (RequestRefused, ServerUnreachable):
            pass  # the node may be away: the last ones stay
        else:
            if differences != session.model.differences:
                handle_message(Differences(differences), session.source.now_ms())
        await asyncio.sleep(INTERVAL_S)
