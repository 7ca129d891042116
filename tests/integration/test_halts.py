"""Halts through the API and the command line, with workers that execute orders meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.domain.lifecycle import Status
from backend.store.audit_log.reads import read_rows, verify_log
from backend.store.database import open_pool
from tests.integration.apis import ORDER, Json, open_api
from tests.integration.full_engine import FullEngine, run_full_engine
from tests.integration.operator_commands import run_command, try_command
from tests.integration.test_api_documents import assert_valid
from tests.scenario import HAPPY_PATH, open_engine

KEYS = ("boss:0123456789abcdef", "trader:fedcba9876543210")
BOSS = {"X-API-Key": "0123456789abcdef"}
TRADER = {"X-API-Key": "fedcba9876543210"}
WHY = {"why": "the wallet is being moved"}
LIMIT = {**ORDER, "type": "limit", "limitPrice": "1000"}


async def read_statuses(engine: FullEngine, order_id: str) -> list[str]:
    return [event["status"] for event in await engine.read_events(order_id)]


async def test_orders_are_held_while_halted_and_go_on_after_that(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        api = engine.api
        answer = await api.post("/api/admin/halt", WHY, 200, {"X-Request-ID": "my-halt"})
        assert_valid("Halt", answer)
        assert (answer["halt"]["scope"], answer["cancelled"]) == ("all", 0)
        queued = await api.post("/api/orders/execute", ORDER)
        batch = await api.post("/api/orders/batch", {"orders": [ORDER, {}]})
        assert_valid("Queued", queued)
        assert_valid("Batch", batch)
        for held in (queued["held"], batch["orders"][0]["held"]):
            assert held == answer["halt"]["sentence"]
            assert "all orders: halted since" in held
            assert WHY["why"] in held
        ready = await api.get("/readyz")
        assert_valid("Readiness", ready)
        assert ready["checks"]["trading"] == {"ok": True, "stopped": [held]}
        assert (await api.get("/api/stats"))["stopped"] == [held]
        assert_valid("Stats", await api.get("/api/stats"))
        listed = await api.get("/api/admin/halts")
        assert [each["why"] for each in listed["halts"]] == [WHY["why"]]
        ids = [queued["orderId"], batch["orders"][0]["orderId"]]
        assert [(await api.get(f"/api/orders/{each}"))["status"] for each in ids] == ["pending"] * 2
        resumed = await api.post("/api/admin/resume", {}, 200)
        assert_valid("Resumed", resumed)
        assert resumed["resumed"] == answer["halt"]
        for order_id in ids:
            assert await read_statuses(engine, order_id) == HAPPY_PATH
        again = await api.post("/api/admin/resume", {}, 200)
        assert_valid("Resumed", again)
        assert again["resumed"] is None
    async with open_pool(database_url, connections_max=1) as pool:
        rows = [row async for row in read_rows(pool)]
        assert [row.action for row in rows] == ["trading_state_set", "trading_state_lifted"]
        assert (rows[0].who, rows[0].request_id) == ("local", "my-halt")
        assert rows[0].address.startswith("127.")
        assert (await verify_log(pool)).faults == []


async def test_with_cancel_open_orders_are_cancelled_those_that_wait_too(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        ids = [await api.place_order(**fields) for fields in ({}, {}, LIMIT)]
        other = await api.place_order(tokenOut="USDT")
        body = {**WHY, "pair": "usdc/SOL", "cancel": True}
        answer = await api.post("/api/admin/halt", body, 200)
        assert (answer["halt"]["subject"], answer["cancelled"]) == ("SOL/USDC", 3)
        for order_id in ids:
            order = await api.get(f"/api/orders/{order_id}")
            assert (order["status"], order["cancelReason"]) == ("cancelled", "cancelled_by_halt")
        assert (await api.get(f"/api/orders/{other}"))["status"] == "pending"


async def test_a_halted_pair_or_owner_holds_no_other_orders(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        await engine.api.post("/api/admin/halt", {**WHY, "pair": "SOL/USDC"}, 200)
        await engine.api.post("/api/admin/halt", {**WHY, "owner": "another"}, 200)
        held = await engine.api.place_order()
        passed = await engine.api.place_order(tokenOut="USDT")
        assert await read_statuses(engine, str(passed)) == HAPPY_PATH
        assert (await engine.api.get(f"/api/orders/{held}"))["status"] == "pending"
        # What is halted of others is not told, and holds nothing here.
        [stopped] = (await engine.api.get("/api/stats"))["stopped"]
        assert "SOL/USDC" in stopped


async def test_orders_are_routed_around_a_halted_exchange_or_held(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        [first] = await engine.place_orders(engine.build_terms())
        used = (await engine.wait_ended(first)).record.dex
        assert used is not None
        control = engine.services.trading
        await run_command(database_url, "halt", "--dex", used, "--why", "exploit")
        async with asyncio.timeout(60):
            while not control.rules.current:
                await asyncio.sleep(0.01)
        orders = [engine.build_terms() for _ in range(5)]
        for history in await engine.wait_all_ended(await engine.place_orders(*orders)):
            assert history.record.status is Status.CONFIRMED
            assert history.record.dex != used


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "why"),
        ({"why": "  "}, "why"),
        ({"why": 5}, "why"),
        ({**WHY, "pair": "SOL"}, "pair"),
        ({**WHY, "pair": "SOL/SOL"}, "pair"),
        ({**WHY, "pair": "SOL/NOPE"}, "pair"),
        ({**WHY, "dex": "raydum"}, "dex"),
        ({**WHY, "owner": ""}, "owner"),
        ({**WHY, "owner": "a\x00b"}, "owner"),
        ({**WHY, "owner": "a\x1b[31m"}, "owner"),
        ({"why": "one\ntwo"}, "why"),
        ({"why": "a\x00b"}, "why"),
        ({**WHY, "owner": "a", "pair": "SOL/USDC"}, "pair"),
        ({**WHY, "state": "STOPPED"}, "state"),
        ({**WHY, "state": "REDUCING", "pair": "SOL/USDC"}, "state"),
        ({**WHY, "dex": "raydium", "cancel": True}, "cancel"),
        ({**WHY, "cancel": "yes"}, "cancel"),
        ({**WHY, "more": 1}, "more"),
    ],
)
async def test_what_is_wrong_in_a_halt_is_named_and_nothing_is_halted(
    database_url: str, redis_url: str, body: Json, field: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.post("/api/admin/halt", body, 422)
        assert [error["field"] for error in problem["errors"]] == [field]
        assert (await api.get("/api/admin/halts"))["halts"] == []


async def test_with_keys_only_owners_that_the_settings_name_may_halt(
    database_url: str, redis_url: str
) -> None:
    settings = {"api_keys": KEYS, "admin_owners": ("boss",)}
    async with open_api(database_url, redis_url, **settings) as api:
        for path, body in (("halt", WHY), ("resume", {})):
            await api.post(f"/api/admin/{path}", body, 401)
            problem = await api.post(f"/api/admin/{path}", body, 403, TRADER)
            assert problem["code"] == "insufficient_scope"
            await api.post(f"/api/admin/{path}", body, 200, BOSS)
        async with api.session.get("/api/admin/halts", headers=TRADER) as response:
            assert response.status == 403


async def test_without_keys_nobody_behind_a_proxy_of_another_machine_may_halt(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        assert (await api.post("/api/admin/halt", WHY, 403, forwarded))["code"] == "not_permitted"


async def test_the_commands_halt_reduce_and_resume(database_url: str) -> None:
    lines = (
        ("halts",),
        ("halt", "--why", "first"),
        ("halt", "--owner", "alice", "--why", "second", "--cancel"),
        ("state", "REDUCING", "--why", "third"),
        ("halts",),
        ("resume",),
        ("state", "ACTIVE", "--owner", "alice"),
        ("halts",),
    )
    outputs = [await run_command(database_url, *arguments) for arguments in lines]
    assert outputs[0] == outputs[-1] == "nothing is halted\n"
    assert "all orders: halted since" in outputs[1]
    assert "first" in outputs[1]
    assert outputs[2].endswith(" on this machine)\n0 orders were cancelled\n")
    assert "reducing, into USDC only," in outputs[3]
    assert len(outputs[4].splitlines()) == 2
    assert "trading is active again; it was REDUCING" in outputs[5]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("halt",), "--why"),
        (("halt", "--why", " "), "--why must say something"),
        (("halt", "--why", "x", "--pair", "SOLUSDC"), "--pair must be two tokens"),
        (("halt", "--why", "x", "--dex", "raydium", "--cancel"), "--cancel cannot be given"),
        (("resume",), "trading was active"),
        (("state", "STOPPED"), "STOPPED"),
        (("state", "HALTED"), "--why is required"),
        (("state", "REDUCING", "--why", "x", "--pair", "SOL/USDC"), "REDUCING is for all"),
    ],
)
async def test_a_command_that_is_wrong_says_what(
    database_url: str, arguments: tuple[str, ...], named: str
) -> None:
    code, output = await try_command(database_url, *arguments)
    assert code != 0
    assert named in output
