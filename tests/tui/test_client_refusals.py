"""What the dashboard's client says of a server that refuses it or does not answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backend.api.delivery import open_sockets
from backend.api.delivery.open_sockets import CloseReason
from tests.conftest import ROOT
from tests.integration.apis import RunningApi, open_api
from tests.integration.stored_keys import make_key
from tests.tui.servers import TERMS, FeedFollower, follow_server
from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.connection.feed import CLOSE_REASONS
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import Lost

NOWHERE = "http://127.0.0.1:9"


async def test_quotes_without_a_node_are_refused(api: RunningApi) -> None:
    async with ApiClient(api.url) as client:
        with pytest.raises(RequestRefused) as refused:
            await client.fetch_route(TERMS)
        assert refused.value.status == 503
        assert refused.value.retry_after_s is not None


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with ApiClient(NOWHERE) as client:
        with pytest.raises(ServerUnreachable, match="nothing answers"):
            await client.fetch_stats()
    async with follow_server(NOWHERE) as follower:
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.OFFLINE)
        assert "nothing answers" in follower.model.connection.reason
        await follower.wait_until(lambda model: model.connection.tries > 1)


async def test_a_server_that_refuses_says_why_and_is_asked_once(api: RunningApi) -> None:
    # An address that leads to this machine, and is none of its loopback hosts.
    async with follow_server(api.url.replace("127.0.0.1", "0.0.0.0")) as follower:  # noqa: S104
        await follower.wait_until(lambda model: model.connection.retry_at_ms is None)
        assert "ORDER_ENGINE_ALLOWED_HOSTS" in follower.model.connection.reason
        assert count_refusals(follower) == 1


def count_refusals(follower: FeedFollower) -> int:
    return sum(isinstance(each.message, Lost) for each in follower.messages)


async def test_the_api_key_is_sent_to_a_server_that_requires_one(
    database_url: str, redis_url: str
) -> None:
    key = "a-key-of-some-length"
    async with open_api(database_url, redis_url, api_keys=f"me:{key}") as api:
        async with follow_server(api.url) as follower:
            await follower.wait_until(
                lambda model: model.connection.status is ConnectionStatus.OFFLINE
            )
            refused = follower.model.connection
            assert "refuses requests without an API key" in refused.reason
            assert "ORDER_ENGINE_API_KEY" in refused.reason
            assert (refused.tries, refused.retry_at_ms) == (1, None)
            follower.feed.retry_now()
            await follower.wait_until(lambda model: count_refusals(follower) == 2)
        async with follow_server(api.url, key="another-key-of-some-length") as follower:
            await follower.wait_until(lambda model: model.connection.retry_at_ms is None)
            assert "refuses this API key" in follower.model.connection.reason
        async with follow_server(api.url, key=key) as follower:
            await follower.wait_until(
                lambda model: model.connection.status is ConnectionStatus.LIVE
            )
            await follower.client.place_order(TERMS, key="one")
            await follower.wait_until(lambda model: len(model.orders) == 1)
            order = follower.model.sorted_orders[0]
            assert Decimal(order.amount_in) == Decimal("1.5")


async def test_who_follows_when_the_first_key_is_made_is_told_what_to_do(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, follow_server(api.url) as follower:
        await follower.wait_until(lambda model: model.connection.status is ConnectionStatus.LIVE)
        key = (await make_key(database_url)).key
        await follower.wait_until(lambda model: model.connection.retry_at_ms is None)
        messages = [each.message for each in follower.messages]
        reasons = [message.reason for message in messages if isinstance(message, Lost)]
        assert all("ORDER_ENGINE_API_KEY" in reason for reason in reasons), reasons
        assert "one is asked for from now on" in reasons[0]
        async with follow_server(api.url, key=key) as admitted:
            await admitted.wait_until(
                lambda model: model.connection.status is ConnectionStatus.LIVE
            )


def test_every_reason_for_which_the_server_closes_a_stream_has_words() -> None:
    page = (ROOT / "static" / "client" / "connection" / "feed.js").read_text()
    told = {each.reason for each in vars(open_sockets).values() if isinstance(each, CloseReason)}
    for reason in told - {open_sockets.COMPLETED.reason, open_sockets.REFUSED.reason}:
        assert reason in CLOSE_REASONS
        assert f"  {reason}: " in page
