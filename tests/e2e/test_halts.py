"""The commands that halt, of an engine whose servers nobody has named: `order-engine up`."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from tests.e2e.up import run_command, run_up


async def test_a_running_engine_is_halted_by_its_data_folder(data_dir: Path) -> None:
    async with run_up(data_dir) as up:

        async def run(*arguments: str) -> str:
            command = partial(run_command, *arguments, "--data-dir", str(data_dir), timeout_s=60)
            return await asyncio.to_thread(command)

        assert await run("halts") == "nothing is halted\n"
        assert ": a drill (by " in await run("halt", "--why", "a drill")
        async with up.http.get("/api/admin/halts") as response:
            assert [each["why"] for each in (await response.json())["halts"]] == ["a drill"]
        found = await run("doctor")
        for line in ("all orders: halted since ", "has all migrations", "permits what is needed"):
            assert line in found
        examined = await run("doctor", "--live")
        assert "No fault was found, and nothing was sent." in examined
        verified = await run("verify", "--chain")
        assert verified.startswith("0 orders, 0 signatures (0 unknown to the node) in ")
        assert "trading is active again" in await run("resume")
        verified = await run("audit", "verify")
        assert verified.startswith("2 rows are as they were written")
