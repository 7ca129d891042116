"""``order-engine up``: every process of the engine on one machine, under one supervisor.

What is configured is used; what is not is started here: PostgreSQL and Valkey from their wheels,
and the simulated node. If this process is killed, everything it started dies with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import click

from backend import embedded
from backend.api.server.process import listen_on
from backend.config import Settings, env_name
from backend.domain.errors import Rejected
from backend.embedded import engine_processes as processes
from backend.embedded.child_process import dies_with_us
from backend.embedded.engine_processes import Command
from backend.embedded.notices import Tell
from backend.execution.lease_renewer import HAND_BACK_S
from backend.runtime.background import running
from backend.store.migrations import migrate

API_STOP_S = 15
"""How long the API may take to say goodbye to its clients and close its parts."""

Companion = Callable[[str], Coroutine[Any, Any, bool]]
"""What runs beside the engine, given the API's address; whether it went well."""


async def launch(
    settings: Settings,
    *,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    companion: Companion | None = None,
    tell: Tell,
) -> None:
    """Run everything until ``stop``, or until the companion has ended.

    Raises ``Rejected`` or ``Transient`` if something cannot be started, and ``Rejected``
    (``companion``) if the companion did not end well.
    """
    data_dir = (settings.data_dir or embedded.default_data_dir()).absolute()
    with listen_on(settings.host, settings.port) as api_socket:
        async with embedded.servers(
            data_dir,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            tell=tell,
            hurry=hurry,
        ) as servers:
            await migrate(servers.database_url)
            env = {
                **os.environ,
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                **_environment(settings),
            }
            plan = _Plan(settings, env, data_dir, api_socket)
            await _supervise(plan, stop, hurry, companion, tell)


class _Plan:
    """What runs, in the order in which it starts."""

    def __init__(
        self, settings: Settings, env: Mapping[str, str], data_dir: Path, api: socket.socket
    ) -> None:
        self.settings = settings
        self.env = env
        self.data_dir = data_dir
        self.api = api
        self.chain_port = settings.chain_port or _free_port(settings.host)

    def chain(self, _: Mapping[str, str]) -> list[Command]:
        if self.settings.solana_rpc_url is not None:
            return []
        argv = ("chain", "--port", str(self.chain_port), "--data-dir", str(self.data_dir))
        return [_command("chain", argv, self.env)]

    def workers(self, ready: Mapping[str, str]) -> list[Command]:
        env = self._with_chain(ready)
        stop_s = self.settings.shutdown_s + HAND_BACK_S + 5
        return [
            _command(f"worker-{n}", ("worker",), env, stop_timeout_s=stop_s)
            for n in range(1, self.settings.workers + 1)
        ]

    def api_process(self, ready: Mapping[str, str]) -> list[Command]:
        # On a socket that stays open here: nobody is refused while the API restarts.
        fd, env = self.api.fileno(), self._with_chain(ready)
        argv = ("api", "--fd", str(fd))
        return [_command("api", argv, env, stop_timeout_s=API_STOP_S, fds=(fd,))]

    def _with_chain(self, ready: Mapping[str, str]) -> dict[str, str]:
        url = self.settings.solana_rpc_url or ready["chain"]
        return {**self.env, "SOLANA_RPC_URL": url}


async def _supervise(
    plan: _Plan,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    companion: Companion | None,
    tell: Tell,
) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_ready(addresses: Mapping[str, str]) -> None:
        click.echo(f"ready {addresses['api']}")
        ready.set_result(addresses["api"])

    went_well = True

    async def accompany() -> None:
        nonlocal went_well
        if companion is not None:
            went_well = await companion(await ready)
            stop.set()

    async with running(accompany):
        await processes.run(
            [plan.chain, plan.workers, plan.api_process],
            logs=plan.data_dir / "logs",
            stop=stop,
            hurry=hurry,
            on_ready=on_ready,
            tell=tell,
        )
    if not went_well:
        raise Rejected("companion", "it did not end well: see above")


async def dashboard(url: str) -> bool:
    """Show the dashboard on this terminal until it is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tui", "--url", url, preexec_fn=dies_with_us(signal.SIGTERM)
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _command(
    name: str,
    argv: tuple[str, ...],
    env: Mapping[str, str],
    *,
    stop_timeout_s: float = 10,
    fds: tuple[int, ...] = (),
) -> Command:
    return Command(
        name,
        (sys.executable, "-m", "backend.cli", *argv),
        env,
        stop_timeout_s=stop_timeout_s,
        pass_fds=fds,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """The settings that children read from their environment, as they were given here."""
    names = ("host", "profile", "seed", "sol_price")
    return {env_name(name): str(getattr(settings, name)) for name in names}


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
