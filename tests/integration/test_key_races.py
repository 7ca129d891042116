"""Different requests with one idempotency key at the same moment, through two API processes."""

from __future__ import annotations

import asyncio
from random import Random

from tests.integration.apis import Json, RunningApi, open_api
from tests.integration.keyed_requests import BATCH, EXECUTE, count_orders, order_body, post

ROUNDS = 30
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
    apis: tuple[RunningApi, RunningApi], requests: list[Request], key: str, random: Random
) -> list[tuple[int, Answer]]:
    """Each request twice, in any order; the answers with the index of their request."""
    indices = [*range(len(requests))] * 2
    random.shuffle(indices)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for turn, index in enumerate(indices):
            path, body = requests[index]
            request = post(apis[turn % 2], path, body, {"Idempotency-Key": key})
            tasks.append(group.create_task(request))
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
            requests, key = build_requests(number), f"key {number}"
            answers = await post_at_once((api, other), requests, key, random)
            accepted = {index for index, answer in answers if answer[0] == 202}
            assert len(accepted) == 1, [(number, requests[index]) for index in accepted]
            [winner] = accepted
            first, second = (answer[1] for index, answer in answers if index == winner)
            assert list_order_ids(first) == list_order_ids(second)
            refused = {
                (answer[0], answer[1]["code"]) for index, answer in answers if index != winner
            }
            assert refused == {(422, "idempotency_key_reused")}
            is_new = not all(answer[2] for index, answer in answers if index == winner)
            stored += is_new
            assert await count_orders(api) == stored, requests[winner]
        for number in range(0, ROUNDS, 10):
            # Long afterwards the key still means the same.
            requests = build_requests(number)
            again = await post_at_once((api, other), requests, f"key {number}", random)
            assert len({index for index, answer in again if answer[0] == 202}) == 1
            assert all(answer[2] for _, answer in again if answer[0] == 202)
        assert await count_orders(api) == stored
