"""What ``order-engine doctor`` says of nodes, PostgreSQL and Redis: good ones, and others."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg

from backend.config import Settings
from backend.domain.trading.states import ALL_ORDERS, TradingState
from backend.engine.examination.node_report import UNREACHABLE, diagnose_node
from backend.engine.servers.server_report import examine_database, examine_redis
from backend.store.audit_log.entries import Actor
from backend.store.connection import Pooling
from backend.store.database import open_pool
from backend.store.trading.changes import StateChange, set_state
from tests.integration.operator_commands import run_command, try_command
from tests.integration.redis_servers import run_redis
from tests.scenario import run_node

NOWHERE = "127.0.0.1:1"


async def diagnose(url: str) -> dict[str, str]:
    return dict(await diagnose_node(Settings.load(), url))


async def test_the_doctor_tells_what_a_node_is_and_whether_it_lists_pools(tmp_path: Path) -> None:
    async with run_node(tmp_path) as url, aiohttp.ClientSession(url) as session:
        report = await diagnose(url)
        assert report["node"].startswith("of the cluster simulated, at slot ")
        assert report["node keeps history"] == report["node lists pools"] == "yes"
        fault = {"fault": "refuse_method", "methods": ["getProgramAccounts", "getTransaction"]}
        async with session.post("/control/faults", json=fault) as response:
            assert response.status == 200
        report = await diagnose(url)
        assert report["node lists pools"].startswith("no: the default pools are quoted, those of")
        assert report["node keeps history"].startswith("no: orders are confirmed without")


async def test_the_doctor_says_of_a_node_that_cannot_be_reached_just_that() -> None:
    report = await diagnose("http://127.0.0.1:1")
    assert list(report) == [UNREACHABLE]
    assert "connection to the node failed" in report[UNREACHABLE]


async def test_the_doctor_says_what_is_halted(database_url: str, data_dir: Path) -> None:
    arguments = ("doctor", "--data-dir", str(data_dir))
    assert "trading                     active" in await run_command(database_url, *arguments)
    async with open_pool(database_url, connections_max=1) as pool:
        change = StateChange(ALL_ORDERS, TradingState.HALTED, "a leak")
        await set_state(pool, change, Actor("ops"))
    output = await run_command(database_url, *arguments)
    assert "trading                     all orders: halted since " in output
    assert "a leak (by ops)" in output


async def test_servers_that_can_be_used_have_a_line_each(database_url: str, redis_url: str) -> None:
    output = await run_command(database_url, "doctor", REDIS_URL=redis_url)
    database, redis, trading = output.splitlines()
    assert database.startswith("database                    PostgreSQL ")
    assert database.endswith(" accepts writes, and has all migrations")
    assert redis.startswith("Redis                       valkey ")
    assert redis.endswith(" permits what is needed")
    assert trading == "trading                     active"


async def test_servers_that_are_away_are_named_without_their_passwords() -> None:
    database_url, redis_url = f"postgresql://u:hidden@{NOWHERE}/x", f"redis://:hidden@{NOWHERE}"
    code, output = await try_command(database_url, "doctor", REDIS_URL=redis_url)
    database, redis = output.splitlines()
    assert code == 1
    assert f"cannot be used: nothing listens for PostgreSQL at {NOWHERE}" in database
    assert f"cannot be used: Redis at redis://{NOWHERE}: Error 111 connecting" in redis
    assert "hidden" not in output


async def test_a_server_of_up_that_does_not_run_is_no_fault_and_one_that_is_named_is(
    database_url: str, data_dir: Path
) -> None:
    arguments = ("doctor", "--data-dir", str(data_dir))
    code, output = await try_command(database_url, *arguments)
    assert (code, "not running: `order-engine up` starts it" in output) == (0, True), output
    assert "PostgreSQL data" not in output
    assert "valkey process" in output
    code, output = await try_command(database_url, *arguments, REDIS_URL=f"redis://{NOWHERE}")
    assert (code, "cannot be used: Redis at" in output) == (1, True), output


async def test_a_database_is_refused_that_is_not_migrated_or_not_to_be_written(
    database_url: str,
) -> None:
    parts = urlsplit(database_url)
    state = await examine_database(urlunsplit(parts._replace(path="/template1")), Pooling.AUTO)
    assert state.is_fault
    assert state.text.startswith("cannot be used: PostgreSQL ")
    assert " migrations, up to 00" in state.text
    read_only = f"{parts.query}&options=-c%20default_transaction_read_only%3Don"
    state = await examine_database(urlunsplit(parts._replace(query=read_only)), Pooling.AUTO)
    assert state.is_fault
    assert "is read-only, and the engine has to write" in state.text


async def test_a_user_who_may_not_write_orders_is_told_what_is_missing(database_url: str) -> None:
    role = f"reader_{secrets.token_hex(6)}"
    url = urlunsplit(urlsplit(database_url)._replace(netloc=f"{role}@"))
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(f"CREATE ROLE {role} LOGIN")
        await admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        state = await examine_database(url, Pooling.AUTO)
        assert state.is_fault
        assert "does not permit the user INSERT on orders, UPDATE on orders, INSERT" in state.text
    finally:
        await admin.execute(f"DROP OWNED BY {role}")
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


async def test_a_redis_that_refuses_the_user_or_a_command_is_named_why(data_dir: Path) -> None:
    async with run_redis(data_dir, "--requirepass", "the-right-one") as server:
        url = f"redis://:{{}}@127.0.0.1:{server.port}"
        good, wrong = url.format("the-right-one"), url.format("another")
        state = await examine_redis(good)
        assert (state.is_usable, state.text.startswith("redis ")) == (True, True)
        for refused, reason in ((wrong, "refuses the user or the"), (server.url, "wants a")):
            state = await examine_redis(refused)
            assert state.is_fault
            assert f"it {reason} password" in state.text
            assert "another" not in state.text
        async with server.open_admin(password="the-right-one") as admin:
            await admin.acl_setuser("default", enabled=True, keys=["*"], commands=["-xadd"])
            state = await examine_redis(good)
            assert (state.is_fault, "its ACL does not permit" in state.text) == (True, True)
            await admin.acl_setuser("default", enabled=True, keys=["*"], commands=["+xadd"])
            await admin.replicaof("127.0.0.1", 1)
            state = await examine_redis(good)
            assert (state.is_fault, "this server is a replica now" in state.text) == (True, True)


async def test_sentinels_that_are_away_are_named_by_their_addresses() -> None:
    state = await examine_redis("redis+sentinel://:hidden@127.0.0.1:1,127.0.0.1:2/main")
    assert state.is_fault
    reason = "127.0.0.1:1 - network:ConnectionError, 127.0.0.1:2 - network:ConnectionError"
    assert state.text.endswith(f": No master found for 'main' : {reason}")
