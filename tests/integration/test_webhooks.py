"""Webhooks: signed and in order per order; who is told what, by which secrets."""

from __future__ import annotations

from uuid import UUID

from tests.integration.apis import Json, open_api, wait_until
from tests.integration.stored_keys import make_key, send, show_key
from tests.integration.webhook_receivers import (
    EVENTS,
    WEBHOOKS,
    list_deliveries,
    make_webhook,
    open_engine,
    open_receiver,
)


async def test_every_event_of_every_order_is_told_once_and_in_order(
    database_url: str, redis_url: str
) -> None:
    async with open_engine(database_url, redis_url) as engine, open_receiver() as receiver:
        await engine.api.place_order()  # before there is a webhook: it is not told
        webhook = await make_webhook(engine.api, receiver)
        orders = await engine.run_orders(10)
        taken = await receiver.wait_taken(10 * EVENTS)
        receiver.require_order()
        assert len(receiver.attempts) == 10 * EVENTS
        assert {each["data"]["orderId"] for each in taken} == set(orders)
        for each in taken:
            assert each["type"] == f"order.{each['data']['status']}"
            assert each["timestamp"] == each["data"]["at"]

        async def is_recorded() -> bool:
            return len(await list_deliveries(engine.api, webhook, "delivered")) == 10 * EVENTS

        await wait_until(is_recorded)
        delivered = await list_deliveries(engine.api, webhook, "delivered")
        assert {each["id"] for each in delivered} == {each["id"] for each in taken}
        assert {(each["attempts"], each["statusCode"]) for each in delivered} == {(1, 200)}
        async with engine.api.session.get("/metrics") as response:
            assert "webhooks_held 1.0" in await response.text()


async def test_both_secrets_sign_for_the_overlap(database_url: str, redis_url: str) -> None:
    async with open_engine(database_url, redis_url) as engine, open_receiver() as receiver:
        webhook = await make_webhook(engine.api, receiver)
        path, secrets = f"{WEBHOOKS}/{webhook['id']}", [receiver.secret]
        for overlap_s in (60, 0):
            rotate = f"{path}/rotate-secret"
            _, rotated = await send(engine.api, rotate, method="POST", body={"overlapS": overlap_s})
            secrets.append(rotated["secret"])
        receiver.secret = secrets[-1]
        assert len(set(secrets)) == 3
        assert (await send(engine.api, f"{path}/test", method="POST"))[1]["delivered"]
        [message] = receiver.taken
        assert message["type"] == "webhook.test"
        await send(engine.api, f"{path}/rotate-secret", method="POST", body={})
        for secret, is_valid in ((secrets[-1], True), (secrets[-2], False)):
            receiver.secret = secret
            _, answer = await send(engine.api, f"{path}/test", method="POST")
            assert answer["delivered"] == is_valid, answer
        shown = [await send(engine.api, each) for each in (WEBHOOKS, path, f"{path}/deliveries")]
        assert not any("whsec_" in str(each) or "secret" in str(each) for each in shown)


async def test_owners_are_told_of_their_own_orders_and_of_the_events_that_they_want(
    database_url: str, redis_url: str
) -> None:
    anna, bert = [show_key(await make_key(database_url, name)) for name in ("anna", "bert")]
    async with (
        open_engine(database_url, redis_url) as engine,
        open_receiver() as all_of_anna,
        open_receiver() as ends_of_bert,
    ):
        await make_webhook(engine.api, all_of_anna, anna)
        webhook = await make_webhook(
            engine.api, ends_of_bert, bert, eventTypes=["order.confirmed", "order.failed"]
        )
        orders: dict[str, str] = {}
        for name, headers in (("anna", anna), ("bert", bert), ("bert again", bert)):
            body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}
            placed = await engine.api.post("/api/orders/execute", body, headers=headers)
            orders[name] = placed["orderId"]
            await engine.driver.confirm(UUID(placed["orderId"]))
        await all_of_anna.wait_taken(EVENTS)
        taken = await ends_of_bert.wait_taken(2)
        assert {each["data"]["orderId"] for each in all_of_anna.attempts} == {orders["anna"]}
        assert [each["type"] for each in taken] == ["order.confirmed"] * 2
        path = f"{WEBHOOKS}/{webhook['id']}"
        for method in ("GET", "PATCH", "DELETE"):
            change = {"enabled": False} if method == "PATCH" else None
            assert (await send(engine.api, path, anna, method=method, body=change))[0] == 404
        assert (await send(engine.api, path, bert, method="DELETE"))[0] == 200
        assert (await send(engine.api, WEBHOOKS, bert))[1] == {"webhooks": []}


BAD_BODIES: list[tuple[Json, str]] = [
    ({}, "url"),
    ({"url": "http://hooks.example/"}, "url"),
    ({"url": "https://127.0.0.1/"}, "url"),
    ({"url": "https://[::ffff:10.0.0.1]/"}, "url"),
    ({"url": "https://user:password@hooks.example/"}, "url"),
    ({"url": 7}, "url"),
    ({"url": "https://hooks.example/", "eventTypes": ["order.gone"]}, "eventTypes"),
    ({"url": "https://hooks.example/", "description": "a\nb"}, "description"),
    ({"url": "https://hooks.example/", "secret": "mine"}, "secret"),
]


async def test_what_is_no_webhook_is_refused_and_an_owner_has_so_many(
    database_url: str, redis_url: str
) -> None:
    # Names of this machine are taken where a network is named, and this one is not it.
    settings = {"owner_webhooks_max": 2, "webhook_networks": "10.99.0.0/16"}
    async with open_api(database_url, redis_url, **settings) as api:
        for body, field in BAD_BODIES:
            status, problem = await send(api, WEBHOOKS, method="POST", body=body)
            assert (status, problem["errors"][0]["field"]) == (422, field), body
        good = {"url": "https://localhost/hook"}
        statuses = [await send(api, WEBHOOKS, method="POST", body=good) for _ in range(3)]
        assert [status for status, _ in statuses] == [201, 201, 422]
        assert statuses[-1][1]["code"] == "too_many_webhooks"
        # A name for an address of this machine: found where it is connected to.
        path = f"{WEBHOOKS}/{statuses[0][1]['id']}/test"
        _, answer = await send(api, path, method="POST")
        assert answer["error"].startswith("address_not_allowed"), answer
