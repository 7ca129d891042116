"""``order-engine up``: every process of the engine on one machine, under one supervisor.

What is configured is used; what is not is started here: PostgreSQL and Valkey from their wheels,
and the simulated node. If this process is killed, everything it started dies with it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from backend import embedded, smoke
from backend.config import Settings, env_name
from backend.domain.errors import Rejected
from backend.embedded import processes
from backend.embedded.notices import Notice
from backend.embedded.processes import Command
from backend.store.migrations import migrate


async def launch(
    settings: Settings, *, stop: asyncio.Event, hurry: asyncio.Event, smoke_test: bool
) -> None:
    """Run everything until ``stop``; with ``smoke_test``, until 20 orders have ended.

    Raises ``Rejected`` or ``Transient`` if something cannot be started, and ``Rejected``
    (``smoke``) if an order did not end as it should.
    """
    data_dir = (settings.data_dir or embedded.default_data_dir()).absolute()
    with _listen(settings.host, settings.port) as api_socket:
        async with embedded.servers(
            data_dir,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            tell=_tell,
            hurry=hurry,
        ) as servers:
            await migrate(servers.database_url)
            env = {
                **os.environ,
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                **_environment(settings),
            }
            await _supervise(
                _Plan(settings, env, data_dir, api_socket), stop, hurry, smoke_test=smoke_test
            )


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
        stop_s = self.settings.shutdown_s + 5
        return [
            _command(f"worker-{n}", ("worker",), env, stop_timeout_s=stop_s)
            for n in range(1, self.settings.workers + 1)
        ]

    def api_process(self, ready: Mapping[str, str]) -> list[Command]:
        fd = self.api.fileno()
        return [_command("api", ("api", "--fd", str(fd)), self._with_chain(ready), fds=(fd,))]

    def _with_chain(self, ready: Mapping[str, str]) -> dict[str, str]:
        url = self.settings.solana_rpc_url or ready["chain"]
        return {**self.env, "SOLANA_RPC_URL": url}


async def _supervise(
    plan: _Plan, stop: asyncio.Event, hurry: asyncio.Event, *, smoke_test: bool
) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_ready(addresses: Mapping[str, str]) -> None:
        click.echo(f"ready {addresses['api']}")
        ready.set_result(addresses["api"])

    async with asyncio.TaskGroup() as group:
        test = group.create_task(_smoke(ready, stop)) if smoke_test else None
        try:
            await processes.run(
                [plan.chain, plan.workers, plan.api_process],
                logs=plan.data_dir / "logs",
                stop=stop,
                hurry=hurry,
                on_ready=on_ready,
                tell=_tell,
            )
        finally:
            if test is not None and not ready.done():
                test.cancel()
    if test is not None and not test.cancelled() and not test.result():
        raise Rejected("smoke", "not every order ended as it should")


async def _smoke(ready: asyncio.Future[str], stop: asyncio.Event) -> bool:
    try:
        return await smoke.run(await ready)
    finally:
        stop.set()


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


def _listen(host: str, port: int) -> socket.socket:
    """The API's socket: it stays open while the API restarts, so nobody is refused."""
    try:
        listening = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        raise Rejected("port_in_use", reason) from None
    listening.set_inheritable(True)
    return listening


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _tell(notice: Notice) -> None:
    click.echo(str(notice), err=True)
