"""Shutdown: first nobody new is sent here, then nothing new is accepted, then it closes."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from backend.config import Settings
from tests.conftest import ROOT
from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment
from tests.integration.apis import ORDER, UNREACHABLE_NODE, RunningApi, open_api, wait_until

EXECUTE = "/api/orders/execute"
FOR_EVER = "300"
"""Seconds of draining that no test waits for."""


@asynccontextmanager
async def run_api_process(
    database_url: str, redis_url: str, **settings: str
) -> AsyncIterator[tuple[Process, str]]:
    """``order-engine api`` as a process; yields it and its URL."""
    urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    process = await asyncio.create_subprocess_exec(
        *build_command("api", "--port", "0"),
        cwd=ROOT,
        env=build_environment(**urls, SOLANA_RPC_URL=UNREACHABLE_NODE, **settings),
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        yield process, line.split()[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # closes its pipe


async def wait_until_stopping(session: aiohttp.ClientSession, url: str) -> None:
    async def is_stopping() -> bool:
        async with session.get(f"{url}/readyz") as response:
            problem = await response.json(content_type=None)
            is_stopping = problem["code"] == "shutting_down"
            if is_stopping:
                assert response.status == 503
                assert response.headers["Retry-After"]
                assert response.headers["Connection"] == "close"
            return bool(is_stopping)

    await wait_until(is_stopping)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopping_api_is_not_ready_and_still_takes_orders_until_it_is_hurried(
    database_url: str, redis_url: str, number: signal.Signals
) -> None:
    async with (
        run_api_process(database_url, redis_url, ORDER_ENGINE_DRAIN_S=FOR_EVER) as (process, url),
        aiohttp.ClientSession() as session,
    ):
        process.send_signal(number)
        await wait_until_stopping(session, url)
        async with session.post(url + EXECUTE, json=dict(ORDER)) as response:
            assert response.status == 202
            assert response.headers["Connection"] == "close"
        async with session.get(f"{url}/livez") as response:
            assert response.status == 200
        async with session.ws_connect(url + EXECUTE) as socket:
            await socket.send_json(dict(ORDER))
            assert (await socket.receive_json())["status"] == "queued"
            process.send_signal(number)
            async with asyncio.timeout(START_TIMEOUT_S):
                messages = [message async for message in socket]
                assert socket.close_code == 1001, messages
                assert await process.wait() == 0
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/livez")


async def test_an_api_of_its_own_drains_for_a_while_by_itself(
    database_url: str, redis_url: str
) -> None:
    async with (
        run_api_process(database_url, redis_url) as (process, url),
        aiohttp.ClientSession() as session,
    ):
        process.terminate()
        await wait_until_stopping(session, url)
        async with session.post(url + EXECUTE, json=dict(ORDER)) as response:
            assert response.status == 202
        async with asyncio.timeout(START_TIMEOUT_S):
            assert await process.wait() == 0


async def test_readiness_is_told_at_once_whatever_does_not_answer(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, drain_s=300) as api:
        assert (await api.get("/readyz", 503))["code"] == "not_ready"
        api.stop.set()
        await wait_until_stopping(api.session, api.url)
        await place_on_new_and_old_sockets(api)
        api.force_stop.set()

        async def is_closed() -> bool:
            try:
                await api.get("/livez")
            except aiohttp.ClientConnectionError:
                return True
            return False

        await wait_until(is_closed)


async def place_on_new_and_old_sockets(api: RunningApi) -> None:
    batch = await api.post("/api/orders/batch", {"orders": [dict(ORDER)] * 2})
    assert batch["accepted"] == 2
    async with api.open_stream() as stream:
        assert "hello" in await stream.receive_json()


def test_only_an_api_of_its_own_drains_unless_a_setting_says_so() -> None:
    assert Settings.load().drain_s is None
