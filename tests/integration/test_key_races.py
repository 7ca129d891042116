"""Different requests with one key, or one client order id, at once through two API processes."""

from __future__ import annotations

import asyncio
from random import Random

from tests.integration.apis import Json, RunningApi, open_api
from tests.integration.keyed_requests import BATCH, EXECUTE, count_orders, order_body, post

ROUNDS = 10
EARLIER = ("earlier a", "earlier b")
"""Client order ids of orders that were placed before: requests with them store nothing."""

Answer = tuple[int, Json, bool]
Request = tuple[str, Json]


def build_requests(number: int) -> list[Request]:
    """Requests of which no two are the same."""
    repeats = [order_body(clientOrderId=name) for name in EARLIER]
    fresh = [order_body(amount=2), order_body(clientOrderId=f"fresh {number}")]
    singles = [(EXECUTE, order) for order in (*repeats, *fresh)]
    batches = [
        [repeats[0]],
        repeats,
        [repeats[0], order_body(amount=0)],
        [order_body(amount=3)],
        [repeats[1], order_body(amount=4)],
        [order_body(clientOrderId=f"of a batch {number}"), repeats[0]],
    ]
    return singles + [(BATCH, {"orders": orders}) for orders in batches]


def list_order_ids(answer: Json) -> list[str | None]:
    return [each.get("orderId") for each in answer.get("orders", [answer])]


async def post_at_once(
    apis: tuple[RunningApi, RunningApi], requests: list[Request], keys: list[str], random: Random
) -> list[tuple[int, Answer]]:
    """Each request twice, with its key, in any order; the answers with the index of the request."""
    indices = [*range(len(requests))] * 2
    random.shuffle(indices)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for turn, index in enumerate(indices):
            path, body = requests[index]
            headers = {"Idempotency-Key": keys[index]} if keys[index] else None
            tasks.append(group.create_task(post(apis[turn % 2], path, body, headers)))
    return [(index, task.result()) for index, task in zip(indices, tasks, strict=True)]


async def test_a_key_has_one_meaning_whatever_requests_race_for_it(
    database_url: str, redis_url: str
) -> None:
    random = Random(1)
    async with open_api(database_url, redis_url) as api, open_api(database_url, redis_url) as other:
        stored = len(EARLIER)
        for name in EARLIER:
            await api.place_order(clientOrderId=name)
        for number in range(ROUNDS):
            requests = build_requests(number)
            keys = [f"key {number}"] * len(requests)
            answers = await post_at_once((api, other), requests, keys, random)
            accepted = {index for index, answer in answers if answer[0] == 202}
            assert len(accepted) == 1, [(number, requests[index]) for index in accepted]
            [winner] = accepted
            first, second = (answer[1] for index, answer in answers if index == winner)
            assert list_order_ids(first) == list_order_ids(second)
            refused = {
                (answer[0], answer[1]["code"]) for index, answer in answers if index != winner
            }
            assert refused == {(422, "idempotency_key_reused")}
            stored += not all(answer[2] for index, answer in answers if index == winner)
        assert await count_orders(api) == stored
        for number in range(0, ROUNDS, 5):
            # Long afterwards the key still means the same.
            requests = build_requests(number)
            keys = [f"key {number}"] * len(requests)
            again = await post_at_once((api, other), requests, keys, random)
            assert len({index for index, answer in again if answer[0] == 202}) == 1
            assert all(answer[2] for _, answer in again if answer[0] == 202)
        assert await count_orders(api) == stored


def build_named_requests(name: str) -> tuple[list[Request], list[str]]:
    """Requests for orders of one client order id and two amounts, and their idempotency keys."""
    one, two = (order_body(clientOrderId=name, amount=amount) for amount in (1, 2))
    bodies: list[tuple[str, Json]] = [
        *((EXECUTE, order) for order in (one, two, two)),
        *((BATCH, {"orders": orders}) for orders in ([one], [two, two], [one, two], [two, one])),
    ]
    return bodies, ["", "", f"key of {name}", "", f"key of a batch of {name}", "", ""]


async def test_a_client_order_id_names_one_order_whatever_requests_race_for_it(
    database_url: str, redis_url: str
) -> None:
    random = Random(2)
    async with open_api(database_url, redis_url) as api, open_api(database_url, redis_url) as other:
        for number in range(ROUNDS):
            requests, keys = build_named_requests(f"name {number}")
            answers = await post_at_once((api, other), requests, keys, random)
            order = await api.get(f"/api/orders/by-client-id/name {number}")
            for index, (status, answer, _) in answers:
                orders = requests[index][1].get("orders", [requests[index][1]])
                entries = answer.get("orders", [answer])
                for sent, entry in zip(orders, entries, strict=True):
                    is_same = sent["amount"] == int(order["amountIn"])
                    assert entry.get("orderId") == (order["orderId"] if is_same else None), answer
                    problem = entry.get("problem", entry)
                    assert is_same or problem["code"] == "client_order_id_reused", answer
                assert status == (202 if any("orderId" in entry for entry in entries) else 422)
        assert await count_orders(api) == ROUNDS
