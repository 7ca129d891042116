"""Receivers that fail: what they hold up, when a webhook is disabled, and that nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from backend.api.webhooks import deliverer
from tests.integration.apis import Json
from tests.integration.stored_keys import send
from tests.integration.webhook_receivers import (
    EVENTS,
    WEBHOOKS,
    execute,
    hang,
    list_deliveries,
    make_webhook,
    open_engine,
    open_receiver,
    read_webhook,
    refuse,
    wait_for_webhook,
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "BACKOFF_MAX_MS", 100)


class _Endless(web.StreamResponse):
    """A response that never ends."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        writer = await super().prepare(request)
        try:
            while True:
                await self.write(b"x" * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            return writer


async def flood(_: Json) -> web.StreamResponse:
    return _Endless()


HOSTILE = {
    "refused": refuse(500),
    "redirected": refuse(307, Location="http://127.0.0.1:9/private"),
    "timeout": hang,
}


async def test_receivers_that_fail_hold_up_nobody_else_and_get_everything_in_the_end(
    database_url: str, redis_url: str
) -> None:
    settings: dict[str, Any] = {"webhook_timeout_s": 0.3}
    async with (
        open_engine(database_url, redis_url, **settings) as engine,
        AsyncExitStack() as stack,
    ):
        well, flooding, victim = [
            await stack.enter_async_context(open_receiver()) for _ in range(3)
        ]
        flooding.answer = flood
        failing = {name: await stack.enter_async_context(open_receiver()) for name in HOSTILE}
        for name, receiver in failing.items():
            receiver.answer = HOSTILE[name]
        failing["redirected"].answer = refuse(307, Location=victim.url)
        webhooks = {
            name: await make_webhook(engine.api, each)
            for name, each in (*failing.items(), ("well", well), ("flooding", flooding))
        }
        await engine.run_orders(6)
        await well.wait_taken(6 * EVENTS)
        await flooding.wait_taken(6 * EVENTS)
        for name, receiver in failing.items():
            await receiver.wait(lambda each=receiver: len(each.attempts) > 6)  # type: ignore[misc]
            webhook = await read_webhook(engine.api, webhooks[name]["id"])
            assert (webhook["state"], webhook["pending"]) == ("active", 6 * EVENTS)
            assert webhook["failingSince"] is not None
            pending = await list_deliveries(engine.api, webhook, "pending")
            errors = {each["error"].partition(":")[0] for each in pending if each["error"]}
            assert errors == {name}
            assert {seq for seqs in receiver.list_seqs().values() for seq in seqs} == {1}
        assert victim.attempts == []
        for receiver in failing.values():
            receiver.answer = well.answer
            await receiver.wait_taken(6 * EVENTS)
        for receiver in (*failing.values(), well, flooding):
            receiver.require_order()


async def test_an_event_that_is_refused_holds_up_its_own_order_only(
    database_url: str, redis_url: str
) -> None:
    async with open_engine(database_url, redis_url) as engine, open_receiver() as receiver:
        order_id = await engine.api.place_order()
        refused = str(order_id)
        webhook = await make_webhook(engine.api, receiver)
        well = receiver.answer

        async def answer(message: Json) -> web.StreamResponse:
            is_refused = message["data"]["orderId"] == refused
            return await (refuse(422) if is_refused else well)(message)

        receiver.answer = answer
        for _ in range(3):
            await engine.run_orders(2)
        await engine.driver.confirm(order_id)
        await receiver.wait_taken(6 * EVENTS)
        await receiver.wait(lambda: len(receiver.list_seqs()[refused]) > 3)
        assert set(receiver.list_seqs()[refused]) == {2}
        await execute(
            database_url,
            "UPDATE webhook_deliveries SET first_failed_at = now() - interval '25 hours'"
            " WHERE delivered_at IS NULL AND first_failed_at IS NOT NULL",
        )
        await wait_for_webhook(engine.api, webhook["id"], lambda each: each["state"] == "disabled")
        receiver.answer = well
        path = f"{WEBHOOKS}/{webhook['id']}"
        await send(engine.api, path, method="PATCH", body={"enabled": True})
        await receiver.wait_taken(6 * EVENTS + EVENTS - 1)
        assert sorted(set(receiver.list_seqs()[refused])) == [2, 3, 4, 5]


async def test_after_a_day_without_success_a_webhook_is_disabled_and_goes_on_without_a_loss(
    database_url: str, redis_url: str
) -> None:
    async with open_engine(database_url, redis_url) as engine, open_receiver() as receiver:
        webhook = await make_webhook(engine.api, receiver)
        well, receiver.answer = receiver.answer, refuse(503, **{"Retry-After": "0"})
        await engine.run_orders(3)
        await receiver.wait(lambda: len(receiver.attempts) > 5)
        failing = await read_webhook(engine.api, webhook["id"])
        assert failing["state"] == "active"
        await execute(
            database_url, "UPDATE webhooks SET failing_since = now() - interval '24 hours 1 second'"
        )
        disabled = await wait_for_webhook(
            engine.api, webhook["id"], lambda each: each["state"] == "disabled"
        )
        assert disabled["disabledAt"] is not None
        assert "503" in disabled["disabledWhy"]
        await engine.run_orders(2)  # meanwhile
        connection = await asyncpg.connect(database_url)
        actions = await connection.fetch("SELECT action, data FROM audit_log ORDER BY id")
        await connection.close()
        assert [each["action"] for each in actions] == ["webhook_created", "webhook_disabled"]
        assert "/hook" not in str(actions)
        async with engine.api.session.get("/metrics") as response:
            assert "webhooks_disabled_total" in await response.text()
        receiver.answer = well
        path = f"{WEBHOOKS}/{webhook['id']}"
        status, answer = await send(engine.api, path, method="PATCH", body={"enabled": True})
        assert (status, answer["state"], answer["disabledWhy"]) == (200, "active", None)
        await receiver.wait_taken(5 * EVENTS)
        receiver.require_order()


async def test_a_receiver_that_is_gone_is_told_no_more(database_url: str, redis_url: str) -> None:
    async with open_engine(database_url, redis_url) as engine, open_receiver() as receiver:
        webhook = await make_webhook(engine.api, receiver)
        receiver.answer = refuse(410)
        await engine.api.place_order()
        gone = await wait_for_webhook(
            engine.api, webhook["id"], lambda each: each["state"] == "disabled"
        )
        assert "410" in gone["disabledWhy"]
        assert len(receiver.attempts) == 1
