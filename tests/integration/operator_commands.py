"""Commands of the engine as processes of their own: in a test's process they would take its log."""

from __future__ import annotations

import asyncio
import subprocess

from tests.conftest import ROOT
from tests.e2e.up import build_command, build_environment

TIMEOUT_S = 60


async def try_command(database_url: str, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command on a database; returns its exit code, and all that it wrote."""

    def run() -> tuple[int, str]:
        ended = subprocess.run(
            build_command(*arguments),
            cwd=ROOT,
            env=build_environment(DATABASE_URL=database_url, **settings),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    return await asyncio.to_thread(run)


async def run_command(database_url: str, *arguments: str, **settings: str) -> str:
    """Run a command that is to succeed; returns what it wrote."""
    code, output = await try_command(database_url, *arguments, **settings)
    assert code == 0, output
    return output
