"""A halt reaches the dashboard from a real server, and its end too."""

from __future__ import annotations

import asyncio

from tests.integration.apis import open_api
from tests.tui.sessions import WAIT_S, StaticSource, make_session
from tests.tui.wire import START_MS, connection_messages
from tui.connection.client import ApiClient
from tui.connection.recording import RecordedMessage
from tui.model.messages import Page
from tui.polls.trading import follow_trading
from tui.session import Session


async def wait_stopped(session: Session, *, is_stopped: bool) -> None:
    async with asyncio.timeout(WAIT_S):
        while bool(session.model.stopped) != is_stopped:
            await asyncio.sleep(0.05)


async def test_what_is_halted_comes_and_goes(database_url: str, redis_url: str) -> None:
    loaded = RecordedMessage(START_MS, Page([], is_last=True, is_all=True))
    source = StaticSource([*connection_messages(), loaded])
    async with open_api(database_url, redis_url) as api, ApiClient(api.url) as client:
        session = make_session(source, client=client)
        await source.run(session.handle_message)
        following = asyncio.ensure_future(follow_trading(session, client))  # noqa: TID251
        await api.post("/api/admin/halt", {"why": "a drill"}, 200)
        await wait_stopped(session, is_stopped=True)
        assert ": a drill (by local)" in session.model.stopped[0]
        await api.post("/api/admin/resume", {}, 200)
        await wait_stopped(session, is_stopped=False)
        following.cancel()
