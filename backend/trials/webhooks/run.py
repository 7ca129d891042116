"""Places orders of two owners while processes are killed, and audits what receivers got of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from backend.domain.lifecycle import FINAL_STATUSES
from backend.trials.process_usage import PROC, parse_stat
from backend.trials.webhooks.receivers import Manner, Receiver, serve_receivers
from backend.trials.whole_engine import WholeEngine, run_whole_engine

OWNERS: Final = ("anna", "bert")
KILLED: Final = ("worker", "api", "postgres", "api", "valkey-server")
"""Processes that are killed in turn."""
SETTINGS: Final = {
    "webhook_networks": "127.0.0.0/8",
    "webhook_http": True,
    "webhook_lease_s": 1,
    "lease_s": 2,
    "webhook_timeout_s": 0.5,
    "webhook_backoff_s": 0.1,
    "workers": 2,
}
POSTS_AT_ONCE: Final = 8
_RETRY_S: Final = 0.1

Events = Mapping[str, Sequence[int]]
"""The ``seq`` of all events of each order, by its id."""


@dataclass(frozen=True, slots=True)
class WebhooksResult:
    """What a trial has found: events of the feed, messages that came, and what is wrong."""

    events: int
    messages: int
    repeats: int
    kills: int
    seconds: float
    violations: list[str]


def build_receivers(random: Random) -> list[Receiver]:
    """A receiver of each manner for each owner."""
    return [Receiver(owner, manner, random) for owner in OWNERS for manner in Manner]


async def run_webhooks(
    data_dir: Path, orders: int, kills: int, seed: int, timeout_s: float
) -> WebhooksResult:
    """Run a trial. Raises ``EngineError`` if the engine does not start."""
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    receivers = build_receivers(random)
    keys = ",".join(f"{owner}:{_make_key(owner)}" for owner in OWNERS)
    async with (
        serve_receivers(receivers),
        run_whole_engine(data_dir, {**SETTINGS, "api_keys": keys}) as engine,
        aiohttp.ClientSession(engine.url) as session,
    ):
        started_s = asyncio.get_running_loop().time()
        webhooks = [await _make_webhook(session, each) for each in receivers]
        killed = await _place_under_kills(session, engine, orders, kills)
        events = {owner: await _await_ended(session, owner, timeout_s) for owner in OWNERS}
        for receiver, webhook in zip(receivers, webhooks, strict=True):
            if receiver.manner is Manner.AWAY:
                receiver.manner = Manner.WELL
                await _send(session, receiver.owner, "PATCH", webhook, {"enabled": True})
        await _await_taken(receivers, events, timeout_s)
        seconds = asyncio.get_running_loop().time() - started_s
    return WebhooksResult(
        sum(len(seqs) for each in events.values() for seqs in each.values()),
        sum(len(seqs) for each in receivers for seqs in each.seqs.values()),
        sum(each.repeats for each in receivers),
        killed,
        seconds,
        [each for receiver in receivers for each in audit(receiver, events[receiver.owner])],
    )


def audit(receiver: Receiver, events: Events) -> list[str]:
    """What is wrong with what a receiver got of the events of its owner's orders."""
    name = f"the receiver of {receiver.owner} that is {receiver.manner}"
    violations = [f"{name} got {receiver.forged} forged messages"] if receiver.forged else []
    violations += [
        f"{name} got an event of an order of somebody else: {order_id}"
        for order_id in receiver.seqs
        if order_id not in events
    ]
    for order_id, seqs in events.items():
        if lost := set(seqs) - receiver.taken[order_id]:
            violations.append(f"{name} did not get {sorted(lost)} of {order_id}")
        came = receiver.seqs[order_id]
        if came != sorted(came):
            violations.append(f"{name} got {order_id} out of order: {came}")
    return violations


def _make_key(owner: str) -> str:
    return f"{owner}-key-of-the-trial"


async def _send(
    session: aiohttp.ClientSession, owner: str, method: str, path: str, body: object = None
) -> Any:
    """The answer to a request, which is repeated until a process answers."""
    headers = {"X-API-Key": _make_key(owner)}
    while True:
        try:
            async with session.request(method, path, json=body, headers=headers) as response:
                if response.status < 300:
                    return await response.json()
                if response.status < 500 and response.status != 429:
                    raise AssertionError(await response.text())
        except aiohttp.ClientError:
            pass  # killed
        await asyncio.sleep(_RETRY_S)


async def _make_webhook(session: aiohttp.ClientSession, receiver: Receiver) -> str:
    body = {"url": receiver.url}
    webhook = await _send(session, receiver.owner, "POST", "/api/webhooks", body)
    receiver.secret = webhook["secret"]
    return f"/api/webhooks/{webhook['id']}"


async def _place_under_kills(
    session: aiohttp.ClientSession, engine: WholeEngine, orders: int, kills: int
) -> int:
    """Place orders, and kill a process each time that a part of them is placed."""
    numbers, placed = iter(range(orders)), 0
    killed = 0

    async def place() -> None:
        nonlocal placed, killed
        for number in numbers:
            body = {
                "tokenIn": "SOL",
                "tokenOut": "USDC",
                "amount": "0.1",
                "clientOrderId": f"order-{number}",
            }
            owner = OWNERS[number % len(OWNERS)]
            await _send(session, owner, "POST", "/api/orders/execute", body)
            placed += 1
            if killed < kills and placed >= (killed + 1) * orders / (kills + 1):
                killed += 1
                _kill(engine, KILLED[killed % len(KILLED)])

    async with asyncio.TaskGroup() as group:
        for _ in range(POSTS_AT_ONCE):
            group.create_task(place())
    return killed


def _kill(engine: WholeEngine, name: str) -> None:
    """Kill a process of the engine by SIGKILL, if it runs just now."""
    for path in PROC.glob("[0-9]*"):
        try:
            argv = (path / "cmdline").read_text().split("\0")[:4]
            parent = parse_stat((path / "stat").read_text()).parent
        except (OSError, ValueError):
            continue  # it has ended
        if parent == engine.pid and name in {Path(each).name for each in argv}:
            os.kill(int(path.name), signal.SIGKILL)
            return


async def _await_ended(session: aiohttp.ClientSession, owner: str, timeout_s: float) -> Events:
    """The events of all orders of an owner, when all have ended."""
    async with asyncio.timeout(timeout_s):
        while True:
            if not (await _send(session, owner, "GET", "/api/orders?status=open"))["orders"]:
                break
            await asyncio.sleep(_RETRY_S)
    events: dict[str, list[int]] = {}
    path: str | None = "/api/orders?limit=500&order=asc"
    while path:
        page = await _send(session, owner, "GET", path)
        for order in page["orders"]:
            each = await _send(session, owner, "GET", f"/api/orders/{order['orderId']}/events")
            assert each["events"][-1]["status"] in FINAL_STATUSES
            events[order["orderId"]] = [event["seq"] for event in each["events"]]
        cursor = page.get("next")
        path = f"/api/orders?limit=500&order=asc&cursor={cursor}" if cursor else None
    return events


async def _await_taken(
    receivers: Sequence[Receiver], events: Mapping[str, Events], timeout_s: float
) -> None:
    """Wait until every receiver has got everything, for a limited time."""
    counts = {owner: sum(map(len, each.values())) for owner, each in events.items()}
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if all(each.count_taken() >= counts[each.owner] for each in receivers):
                    return
                await asyncio.sleep(_RETRY_S)
    except TimeoutError:
        return  # the audit names what is missing
